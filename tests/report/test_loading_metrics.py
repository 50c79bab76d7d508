"""A ranking makes metrics as everything else makes components: allowed, of the kind, of the planned revision."""

import pytest

from tlimb.problems import ExitCode, TlimbError
from tlimb.report.request import load_builtin


def metric(path, revision=1):
    return {"class": path, "revision": revision, "options": {}}


def refused(component):
    with pytest.raises(TlimbError) as caught:
        load_builtin(component)
    return caught.value.problems[0].code, caught.value.exit_code


def test_a_metric_of_tlimb_is_made():
    assert load_builtin(metric("tlimb.components.metrics.mae.MAE")).direction == "min"


@pytest.mark.parametrize(
    ("component", "code", "exit_code"),
    [
        (metric("tlimb.components.metrics.mae.MAE", 99), "other-revision", ExitCode.USAGE),
        (metric("my_lab.metrics.Mine"), "code-not-allowed", ExitCode.POLICY),
        (metric("tlimb.components.samplers.balanced.Balanced"), "wrong-kind", ExitCode.POLICY),
    ],
)
def test_a_metric_of_another_revision_or_from_elsewhere_is_refused(component, code, exit_code):
    assert refused(component) == (code, exit_code)
