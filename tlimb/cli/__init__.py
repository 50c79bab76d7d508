"""The command line: thin commands over `tlimb.api`; every import that costs time happens inside a command."""

import gc
import os
import sys
from typing import NoReturn

from tlimb.problems import ExitCode, TlimbError


def main() -> NoReturn:
    """Run tlimb and end the process with one of the documented exit codes."""
    # Commands are short and their objects live to the end: looking for cycles at every 700th is time for nothing.
    gc.set_threshold(100_000)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and give its exit code; what went wrong is printed, never raised."""
    from typer import Abort, BadParameter, Exit

    from tlimb.cli import show
    from tlimb.cli.app import application

    # typer carries a click of its own from 0.26 on and uses the installed one before; either has this class.
    usage_error: type[Exception] = next(
        one for one in BadParameter.__mro__ if issubclass(one, Exception) and one.__name__ == "ClickException"
    )
    try:
        code = application(*arguments[:1])(arguments, standalone_mode=False, prog_name="tlimb")
        return int(code or 0)
    except Exit as ended:
        return int(ended.exit_code)
    except usage_error as error:
        error.show()  # type: ignore[attr-defined]
        return int(ExitCode.USAGE)
    except (KeyboardInterrupt, Abort):
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except TlimbError as error:
        show.problems(error.problems)
        return int(error.exit_code)
    except OSError as error:
        show.os_error(error)
        return int(ExitCode.CANNOT_WRITE)
