"""What became of the runs of a plan so far, as data: `tlimb status` prints it as text or as JSON."""

from attrs import frozen

from tlimb.manifest import Kind
from tlimb.manifest.fields import HEX, entry

FORMAT = 1
"""Version of the form in JSON."""
STATES = ("done", "running", "queued", "yielded", "failed", "diverged", "skipped", "not selected")
"""In the order in which they are counted."""


@frozen
class Counts:
    """How many runs are in each state."""

    done: int = entry("Finished.", minimum=0)
    running: int = entry("Computed at this moment.", minimum=0)
    queued: int = entry("Not started yet.", minimum=0)
    yielded: int = entry("Stopped before their end with what they had done kept; they can go on.", minimum=0)
    failed: int = entry("Ended with an error.", minimum=0)
    diverged: int = entry("Ended because a value was not finite.", minimum=0)
    skipped: int = entry("Never started, since something that they need failed or diverged.", minimum=0)
    not_selected: int = entry(
        "Not wanted, since a selection chose another configuration.", key="not selected", minimum=0
    )

    def of(self, state: str) -> int:
        """Return the number of one of `STATES`."""
        return int(getattr(self, state.replace(" ", "_")))


@frozen
class Step:
    """The runs of one kind for one stage, test or dataset."""

    name: str = entry("Kind of the runs and name of the stage, test or dataset, as the text form names them.")
    kind: Kind = entry("Kind of the runs.")
    runs: int = entry("Number of runs.", minimum=1)
    counts: Counts = entry("How many of them are in each state.")


@frozen
class Run:
    """One run."""

    work: str = entry("Its work.", pattern=HEX)
    step: str = entry("Name of its step.")
    state: str = entry("What has become of it.", enum=list(STATES))
    host: str | None = entry("Host that computes it; null when none does.")
    reason: str | None = entry("Why it did not end well; null for none.")
    seconds: float | None = entry("How long its last attempt took; null where that is not known.")


@frozen
class Left:
    """How much computing is left, from the mean time of finished runs of the same step."""

    seconds: float = entry("Seconds of computing, one run after another.", minimum=0)
    finished_runs: int = entry("Number of finished runs whose times this is taken from.", minimum=1)


@frozen
class Status:
    """What became of the runs of a study so far, from its store alone, whichever engine runs them."""

    steps: tuple[Step, ...] = entry("Counts by step, in the order of the plan.")
    left: Left | None = entry("How much computing is left; null before anything has finished.")
    runs: tuple[Run, ...] = entry("Every run, in the order of the plan.")
    tlimb: int = entry("Version of this form.", computed=lambda _: FORMAT, enum=[FORMAT])
