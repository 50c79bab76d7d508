"""Every network of a plan, built and tried on shapes alone; what does not fit becomes a flaw of a setting."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field
from torch import Tensor

from tlimb.components.contracts import DataModule, Encoder, Inputs, Layout, Network, Positions
from tlimb.components.freezing import frozen_names
from tlimb.components.transfer import Comparison, compare
from tlimb.components.weights import advice
from tlimb.describe.loading import find
from tlimb.dryrun import images, sizes
from tlimb.dryrun.building import METHODS, Bench, said
from tlimb.dryrun.determinism import without_kernel
from tlimb.dryrun.findings import Elsewhere, Facts, Flaw, Images, Report
from tlimb.dryrun.learners import unfit
from tlimb.dryrun.losses import Step
from tlimb.dryrun.similar import Group
from tlimb.dryrun.step import Rehearsal, UnfitError, rehearse
from tlimb.manifest import Component, Fit, canonical
from tlimb.manifest.parts import Freeze, Weights
from tlimb.manifest.structure import unstructure
from tlimb.problems import Problem, Severity, TlimbError
from tlimb.protocol.options import Places
from tlimb.training.network.freezing import Freezer, count
from tlimb.training.network.instantiate import build, classes
from tlimb.training.network.networks import foreign_tensors

OURS = "tlimb.components."


def check(
    groups: Sequence[Group], places: Places, progress: Callable[[int, int], None] = lambda done, total: None
) -> Report:
    """Build and try each distinct network of a plan.

    Args:
        groups: the alike runs of a plan, parents before their children.
        places: where weights files and user code lie, and what code may be imported.
        progress: observer (done, all) of the networks.
    """
    checks = Checks(Bench(places))
    for done, group in enumerate(groups):
        progress(done, len(groups))
        try:
            checks.look_at(group)
        except _Found as found:
            checks.flaws.append(found.flaw)
    return Report(tuple(checks.facts), tuple(checks.flaws))


class _Found(Exception):  # noqa: N818 -- control flow: nothing further can be said of this group
    def __init__(self, flaw: Flaw) -> None:
        self.flaw = flaw
        super().__init__(flaw.problem.message)


@define(eq=False)
class Checks:
    """The checks of one plan, with what they share.

    Attributes:
        bench: builds.
    """

    bench: Bench
    facts: list[Facts] = field(factory=list)
    flaws: list[Flaw] = field(factory=list)
    _outputs: dict[tuple[str, Images], Inputs | Exception] = field(factory=dict)
    _inputs: dict[int, Inputs] = field(factory=dict)
    _files: dict[tuple[str, str], Mapping[str, Tensor]] = field(factory=dict)

    def look_at(self, group: Group) -> None:
        """Check one group and keep what was found.

        Raises:
            _Found: a flaw after which nothing more can be said.
        """
        self._allowed(group)
        inputs = self._inputs[id(group)] = self._input(group)
        encoder, method = self._encoder(group, inputs)
        freeze = group.fit.freeze
        self._freeze(group, encoder, freeze)
        comparison = self._transfer(group, encoder)
        rehearsal, network, method = self._rehearse(group, inputs, comparison, method)
        self._kept_heads(group, network)
        self.flaws += [Flaw(tuple(group.works), *one) for one in unfit(group.fit, inputs, self.bench)]
        self._after(group, network, rehearsal)
        freezer = Freezer(network.encoder, freeze)
        freezer.apply(0)
        counts = count(network.encoder, network.heads)  # type: ignore[arg-type]
        trainer = group.fit.trainer
        self.facts.append(
            Facts(
                tuple(group.works),
                inputs.channels,
                inputs.shape,
                counts["total"],
                # A scenario that takes no steps has no optimizer, and trains nothing.
                0 if group.fit.optimizer is None else counts["trainable"],
                network.encoder.feature_dim,
                tuple((name, objective.outputs) for name, objective in network.objectives.items()),
                trainer.batch,
                trainer.precision,
                rehearsal.memory,
                rehearsal.multiply_adds,
                method,
                None if comparison is None else _numbers(comparison),
                () if comparison is None else tuple(comparison.changes.items()),
            )
        )

    # -- code that may not be imported --

    def _allowed(self, group: Group) -> None:
        allow = self.bench.places.allow
        for setting, components in _looked_at(group.fit):
            for path in classes([one.to_json() for one in components]):
                module = path.rpartition(".")[0]
                ours = path.startswith(OURS) or any(module == one or module.startswith(f"{one}.") for one in allow)
                if not ours:
                    problem = Problem(
                        "not-checked",
                        f"`{path}` was not looked at: that would run its code",
                        severity=Severity.INFO,
                        help=f"add --allow {path.split('.')[0]} if you trust it",
                    )
                    raise _Found(Flaw(tuple(group.works), setting, problem))

    # -- images --

    def _input(self, group: Group) -> Inputs:
        """Give what the network receives: what the data module makes of the first role's training images."""
        first: Inputs | None = None
        for role, parts in group.images.items():
            for part, headers in parts.items():
                made = {self._output(group, one) for one in headers}
                if len(made) > 1:
                    listed = ", ".join(sorted(sizes.text(one.shape) for one in made)[:4])
                    message = f"images of {len(made)} sizes come out of it for `{role}`, part `{part}`: {listed}"
                    help_ = "give all one size: `crop`, or `size` of `slices_2d` and `crop_center`"
                    if len(first.shape if first else next(iter(made)).shape) == 1:
                        help_ = "keep as many time points of each:   time_series: {window_tr: N}"
                    problem = Problem("shape", message, help=help_)
                    raise _Found(Flaw(tuple(group.works), "data", problem))
                first = first or next(iter(made), None)
        if first is None:
            problem = Problem("not-checked", "nothing is known of the images", severity=Severity.INFO)
            raise _Found(Flaw(tuple(group.works), "data", problem))
        return first

    def _output(self, group: Group, headers: Images) -> Inputs:
        component = group.fit.data
        key = (canonical(component.to_json()), headers)
        if key not in self._outputs:
            try:
                self._outputs[key] = images.output(build(component, DataModule, self.bench.places), headers)
            except Exception as error:  # noqa: BLE001
                # Somebody else's module may not like an image that is made up.
                self._outputs[key] = error
        found = self._outputs[key]
        if isinstance(found, Inputs):
            return found
        if isinstance(found, TlimbError):
            raise _Found(Flaw(tuple(group.works), "data", found.problems[0]))
        ours = component.path.startswith(OURS)
        message = (
            f"images of {sizes.text(headers.shape)} cannot be used: {found}" if ours else "its output is not known"
        )
        note = () if ours else (f"an image that was made up gave {type(found).__name__}",)
        code, severity = ("shape", Severity.ERROR) if ours else ("not-checked", Severity.INFO)
        raise _Found(Flaw(tuple(group.works), "data", Problem(code, message, severity=severity, note=note)))

    # -- the encoder --

    def _encoder(self, group: Group, inputs: Inputs) -> tuple[Encoder, str]:
        try:
            return self.bench.any_encoder(group.fit, inputs)
        except TlimbError as error:
            raise self._unfit(group, inputs, error) from error

    def _unfit(self, group: Group, inputs: Inputs, error: Exception) -> _Found:
        architecture, name = group.architecture, group.name
        wrong: Problem | None = None
        try:
            cls: Any = find(architecture.path, Encoder, self.bench.places.allow)
            wrong = sizes.dimensions(name, tuple(cls.dims), inputs)
        except Exception as unfound:  # noqa: BLE001
            # Somebody else's module may raise anything when it is imported.
            own = said(unfound)
            wrong = (
                unfound.problems[0]
                if isinstance(unfound, TlimbError)
                else Problem("no-such-class", f"`{architecture.path}` cannot be imported: {own}")
            )
        problem = wrong or sizes.unfit(self.bench, name, group.fit, inputs, error)
        return _Found(Flaw(tuple(group.works), "architecture", problem, (_gives(inputs),)))

    def _freeze(self, group: Group, encoder: Encoder, freeze: Freeze) -> None:
        try:
            frozen_names(encoder.network, freeze.up_to, named=f"`{group.name}`")
        except TlimbError as error:
            elsewhere = Elsewhere("architecture", "this network")
            raise _Found(Flaw(tuple(group.works), "freeze/up_to", error.problems[0], (elsewhere,))) from error

    # -- weights --

    def _transfer(self, group: Group, encoder: Encoder) -> Comparison | None:
        foreign = group.fit.foreign
        if group.parent is None and foreign is None:
            return None
        elsewhere: tuple[Elsewhere, ...] = ()
        positions: Mapping[str, Positions] | None = None
        if foreign is not None:
            tensors = self._foreign(group, foreign)
            if tensors is None:
                return None
        else:
            assert group.parent is not None
            before = self._inputs.get(id(group.parent))
            if before is None:
                return None  # the parent's own flaw is told there
            parent = group.parent.first
            try:
                theirs = self.bench.any_encoder(parent.as_a(Fit), before)[0]
                tensors, positions = theirs.network.state_dict(), theirs.positions
            except TlimbError:
                return None
            own = self._inputs[id(group)]
            if before != own:
                elsewhere = (
                    _gives(own),
                    Elsewhere("data", f"the parent had {_size(before)}", parent.work),
                )
        try:
            found = compare(encoder, tensors, unstructure(group.fit.adapt), positions)
        except TlimbError as error:
            raise _Found(Flaw(tuple(group.works), "from", error.problems[0], elsewhere)) from error
        if foreign is not None and (problem := sizes.beyond(group.name, encoder, found.unexpected)) is not None:
            self.flaws.append(Flaw(tuple(group.works), "from", problem, (Elsewhere("architecture", "this network"),)))
        return found

    def _kept_heads(self, group: Group, network: Network) -> None:
        """Compare the layers of heads that are kept with the parent's; classes and scales are the plan's to check."""
        before = self._inputs.get(id(group.parent))
        if group.fit.adapt.heads != "keep" or group.parent is None or before is None:
            return
        parent = group.parent.fit
        try:
            encoder, way = self.bench.any_encoder(parent, before)
            with self.bench.construction(way):
                theirs = self.bench.builder(parent, way).network(before, encoder).heads
        except TlimbError:
            return  # the parent's own flaw is told there
        for name, head in network.heads.items():
            if name in theirs and (lines := sizes.apart(head.state_dict(), theirs[name].state_dict())):
                message = f"the head `{name}` cannot be kept: its layers are not the parent's"
                problem = Problem(
                    "heads-differ", message, note=lines, help="write the parent's `head`, or `adapt: {heads: new}`"
                )
                self.flaws.append(Flaw(tuple(group.works), "adapt/heads", problem))

    def _foreign(self, group: Group, foreign: Weights) -> Mapping[str, Tensor] | None:
        """Give the tensors of a weights file; None, with a note, when it cannot be looked at."""
        named = foreign.layout
        key = (str(foreign.sha256), canonical(None if named is None else named.to_json()))
        problem = None
        if key not in self._files:
            try:
                layout = None if named is None else build(named, Layout, self.bench.places)
                path = self.bench.places.weights[key[0]]
                self._files[key] = foreign_tensors(path, layout, device="meta").tensors
            except (KeyError, OSError):
                message = "the weights are not on this machine: whether they fit is not known"
                problem = Problem("not-checked", message, severity=Severity.INFO)
            except ValueError as error:
                problem = Problem("weights-mismatch", str(error), help=advice(str(error)))
            except TlimbError as error:
                problem = error.problems[0]
        if problem is not None:
            self.flaws.append(Flaw(tuple(group.works), "from", problem))
            return None
        return self._files[key]

    # -- one step --

    def _rehearse(
        self, group: Group, inputs: Inputs, comparison: Comparison | None, method: str
    ) -> tuple[Rehearsal, Network, str]:
        """Try one training step in the first way in which it can be done."""
        fit = group.fit
        precise = fit.trainer.precision == "fp32"
        # Mixed precision is a matter of devices, of which the meta device is none.
        ways = [way for way in METHODS[METHODS.index(method) :] if precise or way != "meta"]
        error: Exception | None = None
        for way in ways:
            try:
                network = self.bench.network(fit, inputs, way)
            except TlimbError as failed:
                error = failed
                continue
            known = {} if comparison is None else comparison.copied
            transferred = {key: value.detach() for key, value in known.items()}
            step = Step(fit, inputs, transferred, self.bench.teachers(self._seen(group), way))
            try:
                return (
                    rehearse(self.bench, network, Freezer(network.encoder, fit.freeze), step, way),
                    network,
                    way,
                )
            except UnfitError as failed:
                error = failed
                if "more than 1 value per channel" in str(failed):
                    break
        assert error is not None
        raise self._failed(group, inputs, error)

    def _seen(self, group: Group) -> dict[str, tuple[Fit, Inputs]]:
        """Give manifest and images of the networks that auxiliary objectives read; a flaw of theirs is told there."""
        found = {slot: (one.fit, self._inputs.get(id(one))) for slot, one in group.teachers.items()}
        return {slot: (fit, inputs) for slot, (fit, inputs) in found.items() if inputs is not None}

    def _failed(self, group: Group, inputs: Inputs, error: Exception) -> _Found:
        if isinstance(error, TlimbError) and error.problems[0].code == "bad-option":
            path = error.problems[0].message.split(" ")[0]
            if path != group.architecture.path:
                return _Found(Flaw(tuple(group.works), "objective", error.problems[0]))
        if "more than 1 value per channel" in str(error):
            size = group.fit.trainer.batch
            message = f"a batch of {size} leaves batch normalisation a single value per channel"
            problem = Problem("shape", message, help="take a larger batch_size, or larger images")
            return _Found(Flaw(tuple(group.works), "trainer/batch_size", problem, (_gives(inputs, "data"),)))
        return self._unfit(group, inputs, error)

    def _after(self, group: Group, network: Network, rehearsal: Rehearsal) -> None:
        """Tell what a network that computes does all the same not do."""
        name = group.name
        inputs = self._inputs[id(group)]
        unread = sizes.patches(name, network.encoder, rehearsal.layers)
        if unread is not None:
            self.flaws.append(Flaw(tuple(group.works), "architecture", unread, (_gives(inputs),)))
        trainer = group.fit.trainer
        device = trainer.device
        if trainer.deterministic != "strict" or device == "cpu":
            return
        found = without_kernel(rehearsal.calls)
        if found:
            listed = [f"`{layer}` ({kind})" for layer, kind in found.items()]
            many = "1 layer" if len(listed) == 1 else f"{len(listed)} layers"
            shown = ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
            where = "cuda" if device == "cuda" else "a GPU, which `device: any` allows"
            problem = Problem(
                "nondeterministic-layer",
                f"`{name}` has {many} without a deterministic kernel on {where}: {shown}",
                severity=Severity.ERROR if device == "cuda" else Severity.WARNING,
                help=(
                    "`deterministic: best_effort` promises a tolerance instead of equal bits",
                    "`device: cpu` has them all",
                ),
            )
            elsewhere = (Elsewhere("architecture", "this network"),)
            self.flaws.append(Flaw(tuple(group.works), "trainer/deterministic", problem, elsewhere))


def _looked_at(fit: Fit) -> Iterator[tuple[str, tuple[Component, ...]]]:
    """Go through the settings that take part in building and trying a network, with their components."""
    yield "data", (fit.data,)
    yield "architecture", (() if fit.architecture is None else (fit.architecture,))
    yield "objective", tuple(one for head in fit.heads for one in (head.objective, head.head))
    yield "scenario", (fit.scenario,)
    yield "auxiliary", fit.auxiliary
    yield "optimizer", (() if fit.optimizer is None else (fit.optimizer,))


def _gives(inputs: Inputs, setting: str = "data") -> Elsewhere:
    return Elsewhere(setting, f"gives {_size(inputs)}")


def _size(inputs: Inputs) -> str:
    channels = "" if inputs.channels == 1 else f"{inputs.channels} channels of "
    return f"{channels}{sizes.text(inputs.shape)}"


def _numbers(comparison: Comparison) -> tuple[tuple[str, int], ...]:
    return tuple((name, len(getattr(comparison, name))) for name in ("matched", "adapted", "missing", "mismatched"))
