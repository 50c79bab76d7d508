"""A finished study whose store somebody has rearranged: results under other names, and links in place of folders."""

import csv
import io


def folders(project, kind):
    """Give the objects of a kind that differ in their numbers, so that a swap can be seen."""
    found = {work: project.result(work) for work in project.objects()}
    return [project.store / "objects" / work[:2] / work for work, one in sorted(found.items()) if one["kind"] == kind]


def swap(one, other):
    between = one.with_name("between")
    for source, target in ((one, between), (other, one), (between, other)):
        source.rename(target)


def ranking(project, code=0):
    said = project.tlimb("rank", "--format", "csv", code=code).stdout
    return {(row["stage"], row["labels"], row["metric"]): row for row in csv.DictReader(io.StringIO(said))}


def test_two_results_with_each_others_names_are_found_by_verify_and_computed_anew(finished):
    before = ranking(finished)
    one, other = folders(finished, "predict")[:2]
    swap(one, other)
    said = finished.tlimb("verify", code=1).stdout
    assert "2 results and 0 cached volumes corrupt" in said
    assert {f"  result {one.name}", f"  result {other.name}"} <= set(said.splitlines())
    assert "2 nodes computed" in finished.run().stdout
    assert ranking(finished) == before


def test_a_ranking_takes_no_numbers_from_a_result_with_another_name(finished):
    before = ranking(finished)
    swap(*folders(finished, "predict")[:2])
    after = ranking(finished, code=75)
    done = [sum(int(row["done"]) for row in table.values()) for table in (before, after)]
    assert done[1] < done[0]
    assert len([*(finished.store / "quarantine").glob("*.json")]) == 2


def test_a_run_computes_trainings_with_each_others_names_anew(finished):
    before = finished.objects()
    swap(*folders(finished, "fit")[:2])
    assert "2 nodes computed" in finished.run().stdout
    assert finished.objects() == before


def contents(folder):
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_a_run_leaves_alone_what_links_in_its_store_lead_to(finished):
    thesis = finished.folder.parent / "thesis"
    (thesis / "chapter").mkdir(parents=True)
    for name in ("chapter/text.tex", "claim", "record.json"):
        (thesis / name).write_text("mine")
    before = contents(thesis)
    work = folders(finished, "predict")[0].name
    (finished.store / "objects" / work[:2] / work).rename(finished.folder / "kept")
    for part in ("state", "records"):
        place = finished.store / part / work
        if place.exists():
            place.rename(finished.folder / f"kept-{part}")
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(thesis)
    finished.run()
    assert finished.result(work)["work"] == work
    assert contents(thesis) == before


def test_a_store_whose_folder_is_a_link_is_refused_by_all_that_use_it(finished):
    elsewhere = finished.folder / "elsewhere"
    (finished.store / "records").rename(elsewhere)
    (finished.store / "records").symlink_to(elsewhere)
    before = contents(elsewhere)
    for words in (["run"], ["rank"], ["status"], ["verify"]):
        assert "error[store-linked]" in finished.tlimb(*words, code=73).stderr
    assert contents(elsewhere) == before
