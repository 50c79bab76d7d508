from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlimb.language.scalars import resolve
from tlimb.language.source import parse, read
from tlimb.problems import ExitCode, Problem, Related, TlimbError

FILE = Path("spec.yaml")


def _text(source, span):
    lines = source.text.split("\n")
    assert span.line == span.end_line
    return lines[span.line - 1][span.column - 1 : span.end_column - 1]


def _codes(text):
    return [problem.code for problem in parse(text, FILE).problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1e3", 1000.0), ("010", 10), ("0o17", 15), ("0x1F", 31), ("-3", -3), (".5", 0.5), ("1.", 1.0),
        ("true", True), ("False", False), ("~", None), ("null", None), ("yes", "yes"), ("no", "no"), ("on", "on"),
        ("1_000", "1_000"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"), ("0b11", "0b11"),
        ("=", "="), ("+.e", "+.e"),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_yaml_1_2_says(text, value):
    assert (resolve(text), type(resolve(text))) == (value, type(value))


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9" * 30, "1" * 5000, "0x" + "F" * 5000])
def test_numbers_that_no_json_reader_keeps_are_refused_once(text):
    assert _codes(f"a: {text}\n") == ["number"]


def test_quoted_numbers_stay_text_and_plain_ones_do_not():
    root = parse("a: '1e-3'\nb: 1e-3\nc: |\n  7\n", FILE).root
    assert root.data() == {"a": "1e-3", "b": 0.001, "c": "7\n"}
    assert [root.get(key).quoted for key in "abc"] == [True, False, True]
    assert root.get("a").raw == "1e-3"


def test_every_key_and_value_knows_its_characters():
    source = parse('größe: {lr: 1e-3, "q": [a, "b c"]}  # note\nx:\n  - 5\n', FILE)
    assert _text(source, source.place("/größe", on_key=True).span) == "größe"
    assert _text(source, source.place("/größe/lr").span) == "1e-3"
    assert _text(source, source.place("/größe/q").span) == '[a, "b c"]'
    assert _text(source, source.place("/größe/q/1").span) == '"b c"'
    assert _text(source, source.place("/x/0").span) == "5"


def test_pointers_escape_slashes_and_tildes():
    source = parse("'a/b': {'c~d': 1}\n", FILE)
    assert source.root.get("a/b").get("c~d").pointer == "/a~1b/c~0d"
    assert source.at("/a~1b/c~0d").value == 1
    assert source.at("/a/b") is None


def test_a_missing_pointer_gets_the_key_of_its_nearest_written_ancestor():
    source = parse("a:\n  b:\n    c: 1\n    d: 2\n", FILE)
    assert _text(source, source.place("/a/b/lr").span) == "b"
    assert source.place("/zz").span.line == 1


def test_a_missing_value_is_marked_at_its_key():
    source = parse("a:\n  lr:\n  x: 1\n", FILE)
    assert source.at("/a/lr").empty
    assert _text(source, source.place("/a/lr").span) == "lr"


def test_a_block_mapping_ends_where_its_last_value_does():
    source = parse("a:\n  b: 1\n\n\nc: 2\n", FILE)
    span = source.place("/a").span
    assert (span.line, span.end_line, span.end_column) == (2, 2, 7)


def test_an_alias_keeps_its_site_and_its_nodes_get_the_pointers_of_their_use():
    source = parse("a: &x {lr: [1, 2]}\nb: *x\n", FILE)
    node = source.at("/b/lr/1")
    assert (node.value, node.pointer) == (2, "/b/lr/1")
    assert _text(source, source.uses("/b/lr")) == "*x"
    assert source.uses("/a/lr") is None


def test_a_mistake_reached_through_aliases_is_one_problem_with_its_uses():
    source = parse("a: &x {lr: no}\nb: *x\nc: *x\n", FILE)
    problems = source.resolve(Problem("wrong-type", "bad", f"/{key}/lr") for key in "abc")
    assert len(problems) == 1
    assert [related.message for related in problems[0].related] == ["used here", "used here"]
    assert [related.place.span.line for related in problems[0].related] == [2, 3]


def test_problems_are_placed_with_their_relations_and_sorted_by_position():
    source = parse("a: 1\nb: 2\n", FILE)
    late = Problem("two", "second", "/b", related=[Related("/a", "first here", on_key=True)])
    found = source.resolve([late, Problem("one", "first", "/a"), late])
    assert [problem.code for problem in found] == ["one", "two"]
    assert found[1].related[0].place.span.line == 1


def test_all_repetitions_of_a_key_are_reported_and_the_first_counts():
    source = parse("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}\n", FILE)
    assert [(p.code, p.place.span.line) for p in source.problems] == [("duplicate-key", n) for n in (2, 3, 3)]
    assert source.root.data() == {"a": 1, "b": {"c": 1}}
    assert source.problems[0].related[0].place.span.line == 1


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: !!str 1\n", "tag", (1, 4)),
        ("<<: {a: 1}\n", "merge-key", (1, 1)),
        ("a: 1\n---\nb: 1\n", "several-documents", (2, 1)),
        ("? [a]\n: 1\n", "key", (1, 3)),
        (": 1\n", "key", (1, 1)),
        ("a: *nothing\n", "alias", (1, 4)),
        ("a: &a [*a]\n", "alias", (1, 8)),
        ("a: [1\n", "yaml-syntax", (2, 1)),
        ("a:\n\t- x\n", "yaml-syntax", (2, 1)),
        ("a: b: c\n", "yaml-syntax", (1, 5)),
        ("%YAML 1.1\n---\na: 1\n", "directive", (2, 1)),
        ("", "empty-spec", (1, 1)),
        ("# nothing\n", "empty-spec", (1, 1)),
    ],
)
def test_what_is_no_spec_is_a_problem_with_its_place(text, code, place):
    problems = parse(text, FILE).problems
    assert [p.code for p in problems] == [code]
    assert (problems[0].place.span.line, problems[0].place.span.column) == place


def test_an_unreadable_document_has_an_empty_root():
    source = parse("a: [1\n", FILE)
    assert source.unreadable
    assert source.root.data() == {}


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing():
    assert parse("\ufeffa: 1\r\nb: 2\r\n", FILE).root == parse("a: 1\nb: 2\n", FILE).root


def test_an_absent_file_and_a_folder_are_usage_errors(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(TlimbError) as caught:
            read(path)
        assert caught.value.exit_code is ExitCode.USAGE


def test_bytes_that_are_not_utf_8_are_placed(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_bytes("a: 1\nb: \xe4\n".encode("latin-1"))
    problem = read(path).problems[0]
    assert (problem.code, problem.place.span.line, problem.place.span.column) == ("encoding", 2, 4)


_KEYS = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=6)
_PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False), _KEYS
)
_TREES = st.recursive(_PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3))


@given(st.dictionaries(_KEYS, _TREES, min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_json_is_read_as_json(data):
    import json

    source = parse(json.dumps(data, ensure_ascii=False), FILE)
    assert source.problems == ()
    assert source.root.data() == data


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=150)
def test_any_text_gives_a_tree_or_problems_with_places(text):
    source = parse(text, FILE)
    assert source.problems or not source.unreadable
    assert all(problem.place is not None for problem in source.problems)
