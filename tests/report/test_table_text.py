import csv
import io
import json
import math

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tlimb.report import text
from tlimb.report.rank import rank


@pytest.fixture
def table(finished, load_metric):
    return rank(finished.graph, finished.store, finished.private, finished.request, load_metric)


def test_columns_of_the_terminal_table_begin_at_one_place(table):
    lines = text.text(table).splitlines()
    rule = next(place for place, line in enumerate(lines) if line.startswith("---"))
    starts = [place for place, mark in enumerate(lines[rule]) if mark == "-" and lines[rule][place - 1 : place] != "-"]

    for line in lines[rule + 1 : rule + 1 + len(table.rows)]:
        assert all(place == 0 or line[place - 1] == " " for place in starts)


def test_a_table_with_intervals_says_above_it_that_they_hold_trainings_fixed(finished, load_metric):
    request = evolve(finished.request, resamples=50)
    table = rank(finished.graph, finished.store, finished.private, request, load_metric)
    said = "[low, high]: 95 % intervals over participants; trained weights held fixed"

    lines = text.text(table).splitlines()
    assert lines[1] == said
    assert next(line for line in lines if line.startswith("---")) == lines[4]
    lines = text.markdown(table).splitlines()
    assert lines[lines.index("## held_out") : lines.index("## held_out") + 5][1:4] == ["", said, ""]
    (note,) = [one for one in json.loads(text.to_json(table))["notes"] if "95 % interval" in one]
    assert "trained weights held fixed" in note


def test_a_table_without_intervals_does_not_speak_of_them(finished, load_metric):
    request = evolve(finished.request, resamples=0)
    table = rank(finished.graph, finished.store, finished.private, request, load_metric)

    assert "95 %" not in text.text(table) + text.markdown(table)


def test_csv_numbers_come_back_to_the_last_digit(table):
    rows = list(csv.DictReader(io.StringIO(text.separated(table))))

    written = {(row["stage"], row["labels"], row["metric"]): float(row["mean"]) for row in rows}
    for row in table.rows:
        labels = "; ".join(f"{place}={label}" for place, label in row.labels)
        for column, cell in row.cells.items():
            assert written[row.stage, labels, column] == cell.value.mean


def test_tsv_has_the_same_cells_as_csv(table):
    comma = list(csv.reader(io.StringIO(text.separated(table))))
    tab = list(csv.reader(io.StringIO(text.separated(table, "\t")), delimiter="\t"))

    assert comma == tab


@given(st.text())
def test_no_cell_begins_a_formula_or_holds_a_control_character(value):
    cell = text.guarded(value)

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert all(letter.isprintable() or letter == " " or ord(letter) > 127 for letter in cell)


def test_a_label_that_is_a_formula_stays_text_in_every_form(table):
    row = evolve(table.rows[0], labels=(("x", '=HYPERLINK("a|b")\x1b[2J'),), stage="=cmd")
    table = evolve(table, rows=(row, *table.rows[1:]))

    cells = list(csv.reader(io.StringIO(text.separated(table))))[1]
    assert "'=cmd" in cells
    assert "\x1b" not in text.text(table)
    assert "\\|" in text.markdown(table)


def test_json_holds_no_value_that_is_not_finite(table):
    cell = table.rows[0].cells["accuracy"]
    bad = evolve(cell, value=evolve(cell.value, mean=math.inf))
    table = evolve(table, rows=(evolve(table.rows[0], cells={**table.rows[0].cells, "accuracy": bad}),))

    found = json.loads(text.to_json(table), parse_constant=pytest.fail)
    assert found["rows"][0]["cells"]["accuracy"]["value"]["mean"] is None
