"""Supervised training of one or several heads."""

from collections.abc import Mapping

from torch import Tensor

from tlimb.components.contracts import Batch, Network, Pretext, Scenario, StepContext


class Supervised(Scenario):
    """Train encoder and heads on labelled samples; each head's loss is the mean over samples with its label."""

    revision = 2  # a validation part without a label has no loss; it was 0
    divisible = True

    def terms(
        self, network: Network, batches: Mapping[str, Batch], step: int, progress: float
    ) -> tuple[dict[str, Tensor], StepContext]:
        """Give one term for each head, named after it: its weight times its loss."""
        features = {role: network.encoder(batch.inputs) for role, batch in batches.items() if _read(network, role)}
        outputs: dict[str, Tensor] = {}
        terms: dict[str, Tensor] = {}
        notes: dict[str, Tensor] = {}
        for name, head in network.heads.items():
            role = network.roles.get(name) or self.roles[0]
            batch, objective = batches[role], network.objectives[name]
            if isinstance(objective, Pretext):
                loss, said = objective.term(network.encoder, head, batch, name)
                notes |= {f"{name} {what}": value for what, value in said.items()}
            else:
                outputs[name] = head(features[role])
                loss = objective.loss(outputs[name], batch.targets[name], batch.valid[name])
            terms[name] = network.weights.get(name, 1.0) * loss
        context = StepContext(network.encoder, network.heads, batches, features, outputs, step, progress, notes)
        return terms, context


def _read(network: Network, role: str) -> bool:
    """Say whether anybody reads the features of plain images of a role; pretext objectives make their own."""
    heads = [name for name in network.heads if network.roles.get(name) in (None, role)]
    return not heads or not all(isinstance(network.objectives.get(name), Pretext) for name in heads)
