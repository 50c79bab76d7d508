from tlimb.problems import Place, Problem, Related, Severity, Span
from tlimb.problems.text import render

FILE = "s2.yaml"


def _problem(line, start, end, **more):
    place = Place(FILE, Span(line, start, line, end))
    return Problem("list-as-value", "`lr` is one number; this is a list of 2", "/x", place=place, **more)


def test_a_problem_shows_place_source_carets_help_and_note():
    text = render(
        [_problem(2, 8, 20, help=("write   lr: {choice: [1e-4, 1e-3]}",), note="either doubles the trainings")],
        {FILE: "a: 1\n  {lr: [1e-4, 1e-3]}\n"},
    )
    assert text == (
        "s2.yaml:2:8: error[list-as-value]: `lr` is one number; this is a list of 2\n"
        "  |\n"
        "2 |   {lr: [1e-4, 1e-3]}\n"
        "  |        ^^^^^^^^^^^^\n"
        "  = help: write   lr: {choice: [1e-4, 1e-3]}\n"
        "  = note: either doubles the trainings\n"
    )


def test_related_places_are_shown_with_their_own_line_and_the_gutter_fits_the_widest():
    related = Related("/y", "read by `pretrain`", place=Place(FILE, Span(12, 1, 12, 4)))
    lines = "\n".join(f"line{i}" for i in range(1, 15))
    text = render([_problem(3, 1, 6, label="6 draws", related=(related,))], {FILE: lines})
    assert text.split("\n")[1:6] == [
        "   |",
        " 3 | line3",
        "   | ^^^^^ 6 draws",
        "12 | line12",
        "   | --- read by `pretrain`",
    ]


def test_carets_line_up_under_tabs_and_wide_characters():
    text = render([_problem(1, 4, 6)], {FILE: "\t\u6f22 ab\n"}).split("\n")
    assert text[2] == "1 |     \u6f22 ab"
    assert text[3] == "  |        ^^"


def test_combining_characters_take_no_room():
    text = render([_problem(1, 4, 5)], {FILE: "e\u0301 x\n"}).split("\n")
    assert text[3] == "  |   ^"


def test_a_span_over_several_lines_is_marked_on_its_first():
    place = Place(FILE, Span(1, 3, 4, 2))
    text = render([Problem("a", "b", place=place)], {FILE: "a: {b: 1,\n c: 2,\n d: 3}\n"}).split("\n")
    assert text[2:4] == ["1 | a: {b: 1,", "  |   ^^^^^^^"]


def test_an_empty_span_still_gets_one_caret():
    assert "\n  | ^\n" in render([_problem(1, 1, 1)], {FILE: "x\n"})


def test_long_lines_are_cut_around_the_mistake():
    line = "x" * 500 + "lr" + "y" * 500
    lines = render([_problem(1, 501, 503)], {FILE: line}).split("\n")
    assert len(lines[2]) < 180
    start = lines[3].index("^")
    assert lines[2][start : start + 2] == "lr"


def test_control_characters_of_a_user_never_reach_the_terminal():
    place = Place("a\x1b[2J.yaml", Span(1, 1, 1, 2))
    problem = Problem("x", "bad \x1b[31m\x07 value\u202e", place=place, help="try \x1b]0;title\x07")
    text = render([problem], {"a\x1b[2J.yaml": "\x1b[31m\x9b1\n"})
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_very_long_messages_are_cut():
    assert len(render([Problem("x", "v" * 10_000)], {})) < 1000


def test_a_problem_without_place_or_source_is_one_line():
    assert render([Problem("plan-too-large", "30,000 runs")], {}) == "error[plan-too-large]: 30,000 runs\n"
    assert render([_problem(2, 1, 2)], {}).count("\n") == 1


def test_at_most_fifty_are_shown():
    text = render([_problem(1, 1, 2)] * 53, {FILE: "x"})
    assert text.count("error[") == 50
    assert text.endswith("and 3 more\n")


def test_nothing_gives_nothing():
    assert render([], {}) == ""


def test_colour_changes_no_letter():
    import re

    problems = [_problem(1, 1, 2, help="x"), Problem("w", "warn", severity=Severity.WARNING)]
    plain = render(problems, {FILE: "x"})
    coloured = render(problems, {FILE: "x"}, color=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
