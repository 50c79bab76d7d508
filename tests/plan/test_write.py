"""What stands in the files of a plan folder."""

import pytest
from conftest_plan import SPECS, expand_file

from tlimb.manifest import canonical
from tlimb.plan.write import Texts, files, manifest_path

EXAMPLES = ("pretrain-finetune", "nested-cross-validation", "probe-and-ladder")


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_manifest_put_together_from_shared_parts_is_its_canonical_form(name):
    graph = expand_file(SPECS / f"{name}.yaml").graph
    texts = Texts(graph)
    assert {node.kind.value for node in graph} >= {"fit", "predict", "select"}
    assert [texts.of(node) for node in graph] == [canonical(node.to_json()) + "\n" for node in graph]


def test_a_part_that_runs_share_is_encoded_once():
    graph = expand_file(SPECS / "pretrain-finetune.yaml").graph
    texts = Texts(graph)
    fits = [node for node in graph if node.kind == "fit"]
    for node in fits:
        texts.of(node)
    assert len(texts._parts) < sum(len(node.hashed) for node in fits) / 3


def test_each_manifest_stands_in_the_list_and_in_a_file_of_its_own():
    graph = expand_file(SPECS / "shortest.yaml").graph
    written = {path: "".join(text) for path, text in files(graph)}
    lines = written["manifests.jsonl"].splitlines(keepends=True)
    assert lines == [written[manifest_path(node.work)] for node in graph]
