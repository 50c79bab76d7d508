"""Plans to projects of workflow engines: each backend is one file here and one folder of templates.

A backend is a pure function from an `Emission` to paths and texts. What it cannot express is a problem at its place
in the spec, never silence. Third parties add one through the entry point group `tlimb.backends`.
"""

from importlib import import_module
from importlib.metadata import entry_points

from tlimb.backends.contracts import Backend
from tlimb.problems import ExitCode, Problem, TlimbError

__all__ = ["Backend", "backend", "names"]

OWN = ("local", "nextflow")
"""tlimb's own backends, by the names of their files."""
GROUP = "tlimb.backends"


def names() -> tuple[str, ...]:
    """Give the names of all backends that are installed."""
    return tuple(sorted({*OWN, *(found.name for found in entry_points(group=GROUP))}))


def backend(name: str) -> Backend:
    """Give a backend by its name.

    Raises:
        TlimbError: there is none of that name, or what an entry point names is no backend.
    """
    if name in OWN:
        found = import_module(f"{__name__}.{name}").BACKEND
    else:
        found = next((one.load()() for one in entry_points(group=GROUP) if one.name == name), None)
    if not isinstance(found, Backend):
        message = f"no backend is called `{name}`" if found is None else f"`{name}` is installed, but it is no backend"
        raise TlimbError(
            Problem("unknown-backend", message, help=f"backends here: {', '.join(names())}"), ExitCode.USAGE
        )
    return found
