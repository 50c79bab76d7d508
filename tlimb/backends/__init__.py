"""Plans to projects of workflow engines: each backend is one file here and one folder of templates.

A backend is a pure function from an `Emission` to paths and texts. What it cannot express is a problem at its place
in the spec, never silence. Third parties add one through the entry point group `tlimb.backends`, which is imported
when the caller allows it.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points

from tlimb.backends.contracts import Backend
from tlimb.describe import loading
from tlimb.problems import ExitCode

__all__ = ["Backend", "backend", "names"]

OWN = ("local", "nextflow")
"""tlimb's own backends, by the names of their files."""
GROUP = "tlimb.backends"


def names() -> tuple[str, ...]:
    """Give the names of all backends that are installed."""
    return tuple(sorted({*OWN, *(found.name for found in entry_points(group=GROUP))}))


def backend(name: str, allow: Sequence[str] = ()) -> Backend:
    """Return a backend by its name.

    Args:
        name: one of tlimb's own, or the name of an entry point.
        allow: module prefixes that the caller trusts; tlimb's own need none.

    Raises:
        TlimbError: there is none of that name (64), two packages offer it, its package is not allowed, or what its
            entry point names is no backend (77).
    """
    if name in OWN:
        own: Backend = import_module(f"{__name__}.{name}").BACKEND
        return own
    offered = sorted({found.value for found in entry_points(group=GROUP) if found.name == name})
    if not offered:
        message = f"no backend is called `{name}`"
        loading.refuse("unknown-backend", message, f"backends here: {', '.join(names())}", exit_code=ExitCode.USAGE)
    if len(offered) > 1:
        loading.refuse("name-twice", f"the backend `{name}` is given by {' and by '.join(offered)}")
    return loading.find(offered[0].replace(":", "."), Backend, allow)()  # type: ignore[type-abstract]
