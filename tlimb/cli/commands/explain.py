"""`tlimb explain`: what a code means, why it matters, and how to mend it."""

from typing import Annotated, Any

import typer

from tlimb.cli import completing
from tlimb.problems import ExitCode, Problem, TlimbError


def register(app: Any) -> None:
    """Add the command."""
    app.command("explain")(explain)


def explain(
    code: Annotated[
        str | None,
        typer.Argument(help="a code, such as list-as-value", show_default=False, autocompletion=completing.codes),
    ] = None,
) -> int:
    """Explain a code with a wrong and a mended study; without one, list all codes."""
    from tlimb.language.suggest import closest
    from tlimb.problems.pages import TIERS, registry

    pages = registry()
    if code is None:
        for tier, words in TIERS.items():
            print(f"\n{words}" if tier != "spec" else words)
            for page in pages.values():
                if page.tier == tier:
                    print(f"  {page.code:26} {page.title}")
        return int(ExitCode.DONE)
    # people paste what they were shown: error[unknown-key]
    asked = code.partition("[")[2].rstrip("]:") or code
    if asked not in pages:
        meant = closest(asked, pages)
        help_ = f"did you mean `{meant}`?" if meant else "`tlimb explain` lists all codes"
        raise TlimbError(Problem("unknown-code", f"`{asked}` is no code", help=help_), ExitCode.USAGE)
    print(pages[asked].text.rstrip())
    return int(ExitCode.DONE)
