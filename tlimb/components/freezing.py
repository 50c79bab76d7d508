"""Which parameters and buffers of an encoder a stage freezes."""

from collections.abc import Iterator
from difflib import get_close_matches

from torch import nn

from tlimb.problems import Problem, TlimbError

ALL = "all"
_HEADS = ("head", "heads")


def frozen_names(
    network: nn.Module, up_to: str | None, pointer: str | None = None, named: str = "the encoder"
) -> set[str]:
    """Give the names of the parameters and buffers before a layer, in order of registration.

    The named layer itself and everything after it is trained. Buffers count as their module does, so that the running
    statistics of a frozen normalisation are frozen with it.

    Args:
        network: an encoder's `network`; without heads, which are always trained.
        up_to: full name of a module; `all` for the whole encoder; None for nothing.
        pointer: where the name stands in the spec, for the message.
        named: what the message calls the network.

    Raises:
        TlimbError: no module has this name (one of the head has none here), the name is only the end of names, or
            nothing of the encoder would be left to train.
    """
    if up_to is None:
        return set()
    if up_to == ALL:
        return {name for module, _ in network.named_modules() for name in _own(network, module)}
    modules = [name for name, _ in network.named_modules() if name]
    if up_to not in modules:
        raise TlimbError(_unknown(up_to, modules, pointer, named))
    frozen: set[str] = set()
    for module, _ in network.named_modules():
        if module == up_to:
            break
        frozen.update(_own(network, module))
    if frozen >= {name for name, _ in network.named_parameters()}:
        message = f"`{up_to}` comes after the last weights of {named}: nothing of it would be trained"
        hint = "write `all` to train the heads only"
        raise TlimbError(Problem("freeze-layer", message, pointer, help=hint))
    return frozen


def frozen_modules(network: nn.Module, frozen: set[str]) -> list[nn.Module]:
    """Give the modules to keep in evaluation mode: those before the first trained one, dropout and the like included.

    Args:
        network: an encoder's `network`.
        frozen: what `frozen_names` gave.
    """
    if not frozen:
        return []
    kept: list[nn.Module] = []
    for name, module in network.named_modules():
        own = set(_own(network, name))
        if own and not own & frozen:
            break
        # A module with children is entered, never switched as a whole: a later child may be trained.
        if not list(module.children()):
            kept.append(module)
    return kept


def _own(network: nn.Module, module: str) -> Iterator[str]:
    """Name the parameters and buffers that one module holds itself."""
    found = network.get_submodule(module)
    prefix = f"{module}." if module else ""
    for name, _ in found.named_parameters(recurse=False):
        yield prefix + name
    for name, _ in found.named_buffers(recurse=False):
        yield prefix + name


def _unknown(up_to: str, modules: list[str], pointer: str | None, named: str) -> Problem:
    if up_to.split(".")[0] in _HEADS:
        message = f"`{up_to}` is in the head, which is always trained"
        return Problem("freeze-layer", message, pointer, help="write `all` to freeze the whole encoder")
    ends = [name for name in modules if name.endswith(f".{up_to}")]
    if len(ends) > 1:
        message = f"`{up_to}` is not unique in {named}: {len(ends)} layers end so"
        return Problem("freeze-layer", message, pointer, help=f"write the full name, such as {', '.join(ends[:3])}")
    near = ends or get_close_matches(up_to, modules, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"its layers begin with {', '.join(_tops(modules))}"
    return Problem("freeze-layer", f"no layer `{up_to}` in {named}", pointer, help=hint)


def _tops(modules: list[str]) -> list[str]:
    return [name for name in modules if "." not in name]
