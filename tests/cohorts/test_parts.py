"""Divisions: counts, strata, groups, and what a new participant moves."""

import hashlib
import itertools
import json
from collections import Counter

import pytest
from cohort_making import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from tlimb.cohorts import narrow, parts
from tlimb.cohorts.parts import divide
from tlimb.problems import Severity


def cohort(n, family=lambda k: None, **labels):
    return synthetic(
        {
            f"sub-{k:04d}": {"sex": "FM"[k % 2], "age": 20 + k * 37 % 60, "site": "ABC"[k % 3], "family": family(k)}
            for k in range(n)
        }
    )


def where(division, fold=(None, None)):
    return {person: part for part, people in division.folds[fold].items() for person in people}


def ok(found):
    division, problems = found
    assert division is not None, problems
    return division


HOLDOUT = {"holdout": {"train": "rest", "val": 0.2, "test": 0.2, "stratify": ["sex"], "group": ["family"]}}


@settings(max_examples=25, deadline=None)
@given(n=st.integers(20, 120), seed=st.integers(0, 10), families=st.booleans())
def test_every_participant_is_in_one_part_and_families_stay_together(n, seed, families):
    people = cohort(n, (lambda k: f"f{k // 2}" if k % 5 < 2 else None) if families else lambda k: None)
    division = ok(divide(people, HOLDOUT, seed=seed))
    held = where(division)
    assert sorted(held) == list(people.participants)
    parts_of = {}
    for person, part in held.items():
        family = people.value(person, "family")
        if family is not None:
            parts_of.setdefault(family, set()).add(part)
    assert all(len(found) == 1 for found in parts_of.values())
    sizes = Counter(held.values())
    assert abs(sizes["test"] - 0.2 * n) <= 1.5
    assert abs(sizes["val"] - 0.2 * n) <= 1.5


@settings(max_examples=30, deadline=None)
@given(n=st.integers(60, 200), new=st.integers(0, 9999), seed=st.integers(0, 5))
def test_one_more_participant_moves_only_a_few(n, new, seed):
    before = cohort(n)
    people = {person: dict(before.by_participant[person][0].labels) for person in before.participants}
    people[f"sub-{new:04d}x"] = {"sex": "F", "age": 33, "site": "A", "family": None}
    after = synthetic(people)
    for split in (
        {"holdout": {"train": 0.6, "val": 0.2, "test": 0.2, "stratify": ["sex"]}},
        {"holdout": {"train": "rest", "val": 15, "test": 20, "stratify": ["sex", "site"]}},
        {"kfold": {"folds": 5, "stratify": ["sex"]}},
    ):
        first, second = ok(divide(before, split, seed=seed)), ok(divide(after, split, seed=seed))
        for fold in first.folds:
            old, now = where(first, fold), where(second, fold)
            moved = sum(old[person] != now[person] for person in old)
            # Two boundaries, each shifted by at most one or two in each of up to six strata.
            assert moved <= 12, (split, fold, moved)


def test_a_mean_of_very_few_participants_moves():
    before = cohort(150)
    moves = []
    for new in range(40):
        people = {person: dict(before.by_participant[person][0].labels) for person in before.participants}
        people[f"sub-9{new:03d}"] = {"sex": "M", "age": 50, "site": "B", "family": None}
        first, second = ok(divide(before, HOLDOUT, seed=1)), ok(divide(synthetic(people), HOLDOUT, seed=1))
        old, now = where(first), where(second)
        moves.append(sum(old[person] != now[person] for person in old))
    assert sum(moves) / len(moves) < 3


def test_more_training_people_keep_the_earlier_ones_and_leave_val_and_test_alone():
    people = cohort(200)
    small, large = (
        ok(divide(people, {"holdout": {"train": n, "val": 20, "test": 30, "stratify": ["sex"]}}, seed=3)).folds[
            None, None
        ]
        for n in (40, 80)
    )
    assert set(small["train"]) < set(large["train"])
    assert (len(small["train"]), len(large["train"])) == (40, 80)
    assert small["val"] == large["val"]
    assert small["test"] == large["test"]


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 100), min_size=2, max_size=4), seed=st.integers(0, 9))
def test_subsets_are_nested_and_exact(sizes, seed):
    people = cohort(100, lambda k: f"f{k // 3}")
    found = [
        set(narrow.subset(people, people.participants, n, seed=seed, part="train", stratify=("sex",))[0])
        for n in sorted(sizes)
    ]
    assert [len(each) for each in found] == sorted(sizes)
    assert all(a <= b for a, b in itertools.pairwise(found))
    for each in found:
        women = sum(people.value(person, "sex") == "F" for person in each)
        assert abs(women - len(each) / 2) <= 1


def test_another_replicate_seed_draws_another_subset():
    people = cohort(100)
    first, second = (narrow.subset(people, people.participants, 30, seed=s, part="train")[0] for s in (1, 2))
    assert first != second


def test_strata_keep_their_proportions_in_every_part():
    division = ok(
        divide(cohort(300), {"holdout": {"train": 0.5, "val": 0.2, "test": 0.3, "stratify": ["sex", "site"]}}, seed=0)
    )
    people = cohort(300)
    for part, who in division.folds[None, None].items():
        held = Counter((people.value(p, "sex"), people.value(p, "site")) for p in who)
        share = len(who) / 300
        assert all(abs(number - 50 * share) <= 1.5 for number in held.values()), (part, held)


def test_numbers_are_stratified_by_quartile():
    people = cohort(200)
    division = ok(divide(people, {"holdout": {"train": 0.5, "test": 0.5, "stratify": ["age"]}}, seed=0))
    means = [sum(people.value(p, "age") for p in division.folds[None, None][part]) / 100 for part in ("train", "test")]
    assert abs(means[0] - means[1]) < 2


def test_order_of_writing_and_of_rows_changes_nothing():
    a = cohort(50)
    b = synthetic({p: dict(a.by_participant[p][0].labels) for p in reversed(a.participants)})
    first = ok(divide(a, {"holdout": {"train": "rest", "val": 5, "test": 10}}, seed=0))
    second = ok(divide(b, {"holdout": {"test": 10, "val": 5, "train": "rest"}}, seed=0))
    assert first.folds == second.folds


def test_a_split_is_fixed_for_ever():
    people = cohort(12)
    division = ok(divide(people, {"holdout": {"train": "rest", "val": 3, "test": 3}}, seed=7))

    def rank(person):
        text = json.dumps(["tlimb-split-1", 7, "holdout", person], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    expected = sorted(people.participants, key=rank)
    assert division.folds[None, None] == {
        "test": tuple(sorted(expected[:3])),
        "val": tuple(sorted(expected[3:6])),
        "train": tuple(sorted(expected[6:])),
    }


def test_kfold_tests_everybody_once_and_inner_folds_stay_inside():
    people = cohort(60, lambda k: f"f{k // 2}" if k < 20 else None)
    split = {
        "kfold": {"folds": 5, "val": 0.1, "stratify": ["sex"], "group": ["family"], "inner": {"folds": 3, "repeats": 2}}
    }
    division = ok(divide(people, split, seed=1))
    assert division.names == ("1", "2", "3", "4", "5") == parts.folds(people, split)
    tested = Counter(p for outer in range(5) for p in division.part("test", outer))
    assert set(tested.values()) == {1}
    assert len(tested) == 60
    for outer in range(5):
        train = set(people.participants) - set(division.part("test", outer))
        vals = [set(division.part("val", outer, inner)) for inner in range(6)]
        assert set().union(*vals[:3]) == train == set().union(*vals[3:])
        assert vals[:3] != vals[3:]
        for inner in range(6):
            assert set(division.part("train", outer, inner)) == train - vals[inner]
        assert set(division.part("train", outer)) | set(division.part("val", outer)) == train


def test_leave_one_out_tests_each_site_and_drops_relatives():
    people = cohort(30, lambda k: "f" if k in (0, 1) else None)  # 0 is at A, 1 at B
    division, problems = divide(people, {"leave_one_out": {"by": "site", "val": 0.2, "group": ["family"]}}, seed=0)
    assert division.names == ("A", "B", "C")
    assert len(division.part("test", 0)) == 10
    assert "sub-0001" not in {*division.part("train", 0), *division.part("val", 0), *division.part("test", 0)}
    assert any(p.code == "left-aside" and "2 relatives" in p.message for p in problems)


def test_one_value_that_only_leaves_is_told_as_such():
    people = cohort(30, site=lambda k: "ABC"[k % 3])
    kept = {row.participant for row in narrow.only(people, {"site": "A"})[0]}
    _, problems = divide(people, {"leave_one_out": {"by": "site"}}, seed=0, participants=kept)
    assert "`only` or `portion` leaves one value of `site`, of 3; two are needed" in problems[0].message


def test_the_column_split_reads_parts_and_refuses_other_words():
    words = ["train", "val", "test", "train"]
    people = synthetic({f"s{k}": {"set": words[k]} for k in range(4)})
    division = ok(divide(people, {"column": {"name": "set"}}, seed=0))
    assert division.folds[None, None] == {"train": ("s0", "s3"), "val": ("s1",), "test": ("s2",)}
    people = synthetic({f"s{k}": {"set": ["train", "dev"][k % 2]} for k in range(4)})
    division, problems = divide(people, {"column": {"name": "set"}}, seed=0, pointer="/datasets/x/split")
    assert division is None
    assert "`dev`" in problems[0].message
    assert problems[0].pointer == "/datasets/x/split/column/name"


@pytest.mark.parametrize(
    ("split", "says"),
    [
        ({"holdout": {"train": 50, "val": 20, "test": 40}}, "50 + 20 + 40 participants asked, 100 there"),
        ({"holdout": {"train": "rest", "test": 100}}, "part `train` would be empty"),
        ({"holdout": {"train": "rest", "test": 0.001}}, "part `test` would be empty"),
        ({"kfold": {"folds": 101}}, "101 folds asked, but only 100 participants there"),
        ({"kfold": {"folds": 3, "inner": {"folds": 90}}}, "90 inner folds asked"),
    ],
)
def test_a_split_that_cannot_be_made_says_so(split, says):
    division, problems = divide(cohort(100), split, seed=0, pointer="/datasets/c/split")
    assert division is None
    assert {p.code for p in problems} == {"split-too-small"}
    assert says in problems[0].message
    assert problems[0].pointer.startswith("/datasets/c/split")
    assert problems[0].help[0].startswith("ask for fewer folds" if "folds" in says else "ask for fewer people")


def test_an_unknown_label_is_named_with_its_place():
    division, problems = divide(cohort(9), {"holdout": {"test": 2, "stratify": ["sexe"]}}, seed=0, pointer="/d/split")
    assert division is None
    assert problems[0].code == "target-missing"
    assert problems[0].pointer == "/d/split/holdout/stratify/0"
    assert problems[0].help == ("did you mean `sex`?",)


def test_a_class_that_no_training_person_has_is_an_error():
    people = synthetic({f"s{k:02d}": {"d": "rare" if k == 0 else "usual"} for k in range(20)})
    for seed in range(20):
        division, problems = divide(people, {"holdout": {"train": "rest", "test": 10}}, seed=seed)
        found = parts.gaps(people, division, "d", "/p")
        inside = "s00" in division.folds[None, None]["train"]
        assert [p.severity for p in found] == ([Severity.WARNING] if inside else [Severity.ERROR])
        assert not problems


def test_families_of_two_cannot_fill_an_odd_part_and_nobody_is_lost():
    people = cohort(10, lambda k: f"f{k // 2}")
    division, problems = divide(people, {"holdout": {"train": 0.5, "test": 0.5, "group": ["family"]}}, seed=0)
    assert [p.code for p in problems] == ["split-uneven"]
    assert {k: len(v) for k, v in division.folds[None, None].items()} == {"test": 4, "train": 6}


def test_people_with_equal_images_are_never_parted():
    people = synthetic({f"s{k:02d}": {"sex": "F"} for k in range(20)}, contents={"s03": "same", "s11": "same"})
    for seed in range(30):
        held = where(ok(divide(people, {"holdout": {"train": 0.5, "test": 0.5}}, seed=seed)))
        assert held["s03"] == held["s11"]


def test_portions_are_disjoint_and_keep_families():
    people = cohort(60, lambda k: f"f{k // 2}" if k < 30 else None)
    made, problems = narrow.portions(people, {"source": 40, "target": 20}, seed=2)
    assert not problems
    assert not set(made["source"]) & set(made["target"])
    assert (len(made["source"]), len(made["target"])) == (40, 20)
    of = {p: name for name, who in made.items() for p in who}
    assert all(of[f"sub-{k:04d}"] == of[f"sub-{k + 1:04d}"] for k in range(0, 30, 2))
    made, problems = narrow.portions(people, {"source": 50, "target": 20}, seed=2, pointer="/x/portions")
    assert problems[0].message == "50 + 20 participants asked, 60 there"


def test_only_keeps_values_lists_and_ranges():
    people = cohort(30)
    kept = lambda wanted: {row.participant for row in narrow.only(people, wanted)[0]}  # noqa: E731
    assert kept({"site": "A"}) == {f"sub-{k:04d}" for k in range(0, 30, 3)}
    assert kept({"site": ["A", "B"], "sex": "F"}) == {f"sub-{k:04d}" for k in range(30) if k % 3 < 2 and k % 2 == 0}
    assert kept({"age": {"min": 30, "max": 40}}) == {
        p for p in people.participants if 30 <= people.value(p, "age") <= 40
    }
    _, problems = narrow.only(people, {"sitte": "A"}, "/d/only")
    assert (problems[0].code, problems[0].pointer, problems[0].help) == (
        "unknown-label",
        "/d/only/sitte",
        ("did you mean `site`?",),
    )
    assert narrow.only(people, {"site": "Z"}, "/d/only")[1][0].code == "only-empty"
