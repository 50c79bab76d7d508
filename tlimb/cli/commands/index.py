"""`tlimb index`: run readers of the user's own, once."""

from typing import Any

from tlimb.cli import options
from tlimb.problems import ExitCode


def register(app: Any) -> None:
    """Add the command."""
    app.command("index")(index)


def index(
    spec: options.Spec,
    root: options.Roots = None,
    private: options.Private = None,
    profile: options.Profile = None,
    allow: options.Allow = None,
) -> int:
    """Run the study's own cohort readers and keep what they find, so that planning never imports them."""
    from tlimb.api.indexing import index_own
    from tlimb.api.load import load
    from tlimb.project import project

    loaded = load(spec)
    lines = index_own(loaded, project(loaded.sound(), spec, options.asked(root, None, private, profile, allow)))
    for line in lines or ["no dataset is read by a reader of your own: nothing to index"]:
        print(line)
    return int(ExitCode.DONE)
