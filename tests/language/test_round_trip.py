"""Any typed study, written as YAML and read again, is the same study: nothing is lost, added or refused."""

from pathlib import Path

import jsonschema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from making import bare, difference, studies, written, yaml

from tlimb.language import catalogue, checking, lower, schema, source
from tlimb.problems import Severity

KNOWN = catalogue.load()
FORM = jsonschema.Draft202012Validator(schema.spec(KNOWN))
MANY = settings(
    max_examples=200,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a difference says where it is: no minutes of shrinking
    suppress_health_check=list(HealthCheck),
)


def parsed(text):
    return source.parse(text, Path("study.yaml"))


@MANY
@given(studies(), st.booleans())
def test_a_study_written_and_read_again_is_the_same_study(study, flow):
    text = yaml(written(study), flow=flow).lstrip("\n") + "\n"
    read = parsed(text)
    errors = [problem for problem in checking.check(read, KNOWN) if problem.severity is Severity.ERROR]
    assert not errors, f"{errors[0].code}: {errors[0].message} at {errors[0].pointer}\n{text}"
    differs = difference(bare(lower.lower(read)), bare(study))
    assert differs is None, f"{differs}\n{text}"
    problems = [f"{error.json_path}: {error.message}" for error in FORM.iter_errors(read.root.data())]
    assert not problems, f"{problems}\n{text}"


@MANY
@given(studies(), st.randoms())
def test_order_of_keys_says_nothing(study, chance):
    def shuffled(data):
        if isinstance(data, list):
            return [shuffled(inner) for inner in data]
        if not isinstance(data, dict):
            return data
        items = list(data.items())
        chance.shuffle(items)
        # The order of named alternatives is the order of rows.
        return {key: inner if key == "compare" else shuffled(inner) for key, inner in items}

    text = yaml(shuffled(written(study))).lstrip("\n")
    differs = difference(bare(lower.lower(parsed(text))), bare(study))
    assert differs is None, f"{differs}\n{text}"
