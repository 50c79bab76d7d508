"""What holds of every division, whatever the people: folds, groups, sites, strata and nested subsets."""

from collections import Counter

import pytest
from cohort_making import synthetic
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tlimb.cohorts import narrow, ranks
from tlimb.cohorts.parts import divide

FAMILY = st.integers(0, 120).map(lambda number: number if number < 25 else None)
PERSON = st.tuples(FAMILY, FAMILY, FAMILY, st.sampled_from("ABC"))
"""Family by one label, family by another, an image that somebody else may have too, and a site."""
PEOPLE = st.lists(PERSON, min_size=30, max_size=70)


def made(drawn):
    labels = {
        f"s{k:03d}": {"family": None if a is None else f"f{a}", "household": None if b is None else f"h{b}", "site": s}
        for k, (a, b, _, s) in enumerate(drawn)
    }
    contents = {f"s{k:03d}": f"image {copy}" for k, (_, _, copy, _) in enumerate(drawn) if copy is not None}
    return synthetic(labels, contents=contents)


def components(drawn):
    """Connected components by brute force: grow each person's set until nothing is added."""
    edges = [{("f", a), ("h", b), ("i", c)} - {("f", None), ("h", None), ("i", None)} for a, b, c, _ in drawn]
    found = []
    left = set(range(len(drawn)))
    while left:
        component, marks = {min(left)}, set(edges[min(left)])
        while more := {k for k in left - component if edges[k] & marks}:
            component |= more
            marks |= set().union(*(edges[k] for k in more))
        left -= component
        found.append({f"s{k:03d}" for k in component})
    return found


def whole(people, parts, groups):
    """Tell whether no group is in two parts; people in no part at all are allowed."""
    held = {person: part for part, found in parts.items() for person in found}
    return all(len({held[person] for person in group if person in held}) <= 1 for group in groups)


BY = ["family", "household"]


@settings(max_examples=40, deadline=None)
@given(drawn=PEOPLE)
def test_groups_are_the_connected_components_of_families_and_image_content(drawn):
    found = ranks.groups(made(drawn), BY)
    assert sorted(map(sorted, components(drawn))) == sorted(list(group.members) for group in found)


@settings(max_examples=40, deadline=None)
@given(drawn=PEOPLE, folds=st.integers(2, 5), seed=st.integers(0, 9))
def test_kfold_tests_everybody_once_and_parts_no_group_in_any_fold(drawn, folds, seed):
    people, groups = made(drawn), components(drawn)
    division, problems = divide(people, {"kfold": {"folds": folds, "group": BY}}, seed=seed)
    assume(len(groups) >= folds)
    assert division is not None, problems
    tested = [person for outer in range(folds) for person in division.part("test", outer)]
    assert sorted(tested) == list(people.participants)
    for outer in range(folds):
        parts = division.folds[outer, None]
        assert whole(people, parts, groups)
        assert sorted(person for found in parts.values() for person in found) == list(people.participants)
        # A boundary moves by at most the group that lies on it, on both sides.
        assert abs(len(parts["test"]) - len(people.participants) / folds) <= 2 * max(map(len, groups))


@settings(max_examples=30, deadline=None)
@given(drawn=PEOPLE, seed=st.integers(0, 9))
def test_inner_folds_never_see_the_outer_test_nor_part_a_group(drawn, seed):
    people, groups = made(drawn), components(drawn)
    split = {"kfold": {"folds": 2, "group": BY, "inner": {"folds": 2, "repeats": 2}}}
    division, _ = divide(people, split, seed=seed)
    assume(division is not None)
    for outer in range(2):
        test = set(division.part("test", outer))
        for inner in range(4):
            parts = division.folds[outer, inner]
            assert whole(people, parts, groups)
            assert set(parts["test"]) == test
            assert set(parts["train"]) | set(parts["val"]) == set(people.participants) - test
            assert not set(parts["train"]) & set(parts["val"])
        for repeat in range(2):
            seen = Counter(person for k in range(2) for person in division.part("val", outer, 2 * repeat + k))
            assert set(seen) == set(people.participants) - test
            assert set(seen.values()) == {1}


@settings(max_examples=20, deadline=None)
@given(count=st.integers(40, 90), folds=st.integers(2, 6), seed=st.integers(0, 99))
def test_a_repetition_draws_other_folds_and_each_tests_everybody_once(count, folds, seed):
    people = synthetic({f"s{k:03d}": {"sex": "FM"[k % 2]} for k in range(count)})
    split = {"kfold": {"folds": folds, "stratify": ["sex"]}}
    first, second = (divide(people, split, seed=one)[0] for one in (seed, seed + 1000))
    for division in (first, second):
        assert sorted(p for outer in range(folds) for p in division.part("test", outer)) == list(people.participants)
    together = [{frozenset(one.part("test", outer)) for outer in range(folds)} for one in (first, second)]
    assert together[0] != together[1]


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(10, 60), min_size=2, max_size=4), folds=st.integers(2, 5), seed=st.integers(0, 9))
def test_every_fold_holds_each_class_in_proportion(counts, folds, seed):
    labels = [name for name, count in zip("WXYZ", counts, strict=False) for _ in range(count)]
    people = synthetic({f"s{k:03d}": {"diagnosis": name} for k, name in enumerate(labels)})
    division, _ = divide(people, {"kfold": {"folds": folds, "stratify": ["diagnosis"]}}, seed=seed)
    for outer in range(folds):
        held = Counter(people.value(person, "diagnosis") for person in division.part("test", outer))
        for name, count in zip("WXYZ", counts, strict=False):
            # A stretch of the order holds a class to within one at each of its two ends.
            assert abs(held[name] - count / folds) <= 2


@settings(max_examples=40, deadline=None)
@given(drawn=PEOPLE, seed=st.integers(0, 9))
def test_a_site_that_is_left_out_is_tested_whole_and_none_of_its_relatives_is_trained_on(drawn, seed):
    people, groups = made(drawn), components(drawn)
    site = {f"s{k:03d}": one[3] for k, one in enumerate(drawn)}
    division, _ = divide(people, {"leave_one_out": {"by": "site", "group": BY}}, seed=seed)
    assume(division is not None)  # one site only, or nobody left to train on
    for outer, name in enumerate(division.names):
        parts = division.folds[outer, None]
        assert set(parts["test"]) == {person for person in site if site[person] == name}
        related = set().union(*(group for group in groups if any(site[person] == name for person in group)))
        assert set(parts["train"]) == set(people.participants) - related


@pytest.mark.parametrize("stratify", [(), ("sex",), ("sex", "site")])
@pytest.mark.parametrize("seed", range(5))
def test_the_subset_of_50_lies_in_the_subset_of_100_and_both_in_proportion(stratify, seed):
    people = synthetic({f"s{k:03d}": {"sex": "FFM"[k % 3], "site": "AB"[k // 150]} for k in range(300)})
    train = [person for k, person in enumerate(people.participants) if k % 5]
    found = {
        size: set(narrow.subset(people, train, size, seed=seed, part="train", stratify=stratify)[0])
        for size in (25, 50, 100)
    }
    assert found[25] < found[50] < found[100] < set(train)
    assert [len(found[size]) for size in (25, 50, 100)] == [25, 50, 100]
    if "sex" in stratify:
        for chosen in found.values():
            women = sum(people.value(person, "sex") == "F" for person in chosen)
            assert abs(women - len(chosen) * 2 / 3) <= 2
