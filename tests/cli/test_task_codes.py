"""The one exit code that an engine sees of a task with several runs."""

import pytest

from tlimb.cli.live import code_of_task
from tlimb.scheduler.graph_state import Failure, Summary


def summary(*codes, done=1, pending=0, signal=None):
    failed = {f"failed{place}": Failure(code, "why") for place, code in enumerate(codes)}
    works = tuple(f"done{place}" for place in range(done))
    return Summary(works, failed=failed, pending=("later",) * pending, signal=signal)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (summary(), 0),
        (summary(65, 70, 76), 0),
        (summary(65, done=0), 65),
        (summary(139), 0),
        (summary(139, done=0), 139),
        (summary(139, 137), 137),
        (summary(65, 73), 73),
        (summary(65, pending=1), 75),
        (summary(137, pending=1), 137),
        (summary(65, pending=1, signal=15), 143),
    ],
)
def test_p5_what_may_go_well_when_tried_again_counts_first_and_then_what_ended_well(found, code):
    assert code_of_task(found) == code
