"""From folders and tables to rows: readers, labels, joins and what is refused."""

import gzip
import itertools
import shutil

import pytest
from attrs import evolve
from cohort_making import image

from tlimb.cohorts import narrow
from tlimb.cohorts.columns import number, wrong_kind
from tlimb.cohorts.declaration import IdentityDecl, JoinDecl, LabelDecl
from tlimb.cohorts.hashing import HashCache
from tlimb.cohorts.index import index, missing_label
from tlimb.cohorts.reading import readers
from tlimb.problems import Severity


def problems_of(declaration, **more):
    return index(declaration, HashCache(), **more)[1]


def test_a_bids_folder_becomes_rows_in_canonical_order(made):
    cohort = made(12)
    assert [row.participant for row in cohort.rows] == [f"sub-{k:03d}" for k in range(12)]
    row = cohort.rows[3]
    assert (row.number, row.image) == (3, "ds/sub-003/anat/sub-003_T1w.nii.gz")
    assert (row.shape, row.spacing_mm) == ((2, 3, 4), (1.0, 2.0, 2.5))
    assert (row.labels["age"], row.labels["sex"], row.labels["family"]) == (23, "M", "f1")
    assert len(row.sha256) == len(row.person) == 64
    assert cohort.labels["age"].kind == "number"
    assert cohort.labels["sex"].classes == ("F", "M")
    assert cohort.labels["family"].missing == 8
    assert "participant_id" in cohort.private


def test_readers_are_found_by_the_names_of_their_files():
    assert [name for name, _ in readers()] == ["bids", "hcp", "phantom", "table"]


def test_labels_of_a_visit_override_those_of_the_person(bids, declare):
    base = bids(3, sessions=("01", "02"))
    (base / "sub-001" / "sub-001_sessions.tsv").write_text("session_id\tage\nses-01\t21\nses-02\t23.5\n")
    cohort, _ = index(declare(), HashCache())
    assert [row.labels["age"] for row in cohort.rows] == [20, 20, 21, 23.5, 22, 22]
    assert cohort.rows[3].session == "02"


@pytest.mark.parametrize("one_table", [True, False])
def test_visits_that_the_table_writes_otherwise_than_the_folders_are_refused_and_both_are_said(
    bids, declare, one_table
):
    base = bids(3, sessions=("01", "02"))
    rows = {"sub-000": "ses-1\t21\nses-2\t23", "sub-001": "ses-1\t30\nses-02\t31", "sub-002": "ses-03\t50"}
    if one_table:
        lines = [f"{person}\t{line}" for person, found in rows.items() for line in found.split("\n")]
        (base / "sessions.tsv").write_text("\n".join(["participant_id\tsession_id\tage", *lines]) + "\n")
    else:
        for person, found in rows.items():
            (base / person / f"{person}_sessions.tsv").write_text(f"session_id\tage\n{found}\n")
    cohort, problems = index(declare(), HashCache(), with_names=True)
    assert cohort is None
    (problem,) = problems
    assert problem.code == "session-written"
    assert problem.message == (
        "3 visits are written otherwise in the table than in folders of `clinic`: `ses-1` there, `ses-01` here"
    )
    assert problem.note == ("sub-000, sub-000, sub-001",)


def test_a_visit_without_images_is_no_other_way_of_writing_one(bids, declare):
    base = bids(2, sessions=("1", "01"))
    (base / "sub-001" / "sub-001_sessions.tsv").write_text("session_id\tage\nses-1\t21\nses-01\t22\nses-3\t23\n")
    cohort, problems = index(declare(), HashCache())
    assert not problems
    assert [row.labels["age"] for row in cohort.rows if row.participant == "sub-001"] == [22, 21]


def test_an_excluded_visit_that_is_written_otherwise_is_refused_too(bids, declare):
    base = bids(2, sessions=("01", "02"))
    (base / "out.tsv").write_text("participant_id\tsession_id\treason\nsub-000\tses-1\tmotion\n")
    options = {"folder": "ds", "suffix": "T1w", "exclude": "ds/out.tsv"}
    cohort, problems = index(declare(options=options), HashCache())
    assert cohort is None
    assert [(one.code, one.pointer.rpartition("/")[2]) for one in problems if one.code != "excluded"] == [
        ("session-written", "exclude")
    ]


def test_several_images_of_a_person_are_refused_in_the_words_of_the_language(bids, declare):
    base = bids(10, sessions=("01",))
    for k in range(4):
        place = base / f"sub-{k:03d}" / "ses-02" / "anat"
        place.mkdir(parents=True)
        (place / f"sub-{k:03d}_ses-02_T1w.nii.gz").write_bytes(gzip.compress(image(500 + k)))
    cohort, problems = index(declare(), HashCache())
    assert not problems
    (found,) = narrow.unique_images(cohort, {}, "/datasets/clinic/files/bids/suffix")
    assert found.code == "image-not-unique"
    assert found.message == "4 of 10 participants of `clinic` have more than one T1w image"
    assert found.label == "ds: 10 participants, 14 images; they differ in session (4 participants)"
    assert found.help == (
        'narrow it:   only: {session: "01"}          '
        "(10 participants keep one image, 0 have none; --with-names lists them)",
        "or use all:  only: {session: any}           "
        "(images of one person always stay in one part; each counts in the loss)",
    )
    assert "sub-000" not in str(found)
    assert "sub-000" in str(narrow.unique_images(cohort, {}, "", with_names=True))
    for only in ({"session": "01"}, {"session": "any"}, {"session": ["01", "02"]}, {"session": "02"}):
        assert narrow.unique_images(cohort, only, "") == [], only


def test_entities_choose_among_derivatives_and_find_their_masks(bids, declare):
    bids(2)
    for k in range(2):
        place = f"ds/derivatives/prep/sub-{k:03d}/anat/sub-{k:03d}"
        root = declare().root
        (root / place).parent.mkdir(parents=True)
        for space in ("MNI", "native"):
            (root / f"{place}_space-{space}_desc-preproc_T1w.nii.gz").write_bytes(gzip.compress(image(k)))
            (root / f"{place}_space-{space}_desc-brain_mask.nii.gz").write_bytes(gzip.compress(image(9 + k)))
    options = {
        "folder": "ds",
        "suffix": "T1w",
        "derivatives": "prep",
        "space": "MNI",
        "desc": "preproc",
        "mask": "brain",
    }
    for mask in ("brain", {"desc": "brain", "suffix": "mask"}):
        cohort, problems = index(declare(options={**options, "mask": mask}), HashCache())
        assert not problems
        assert cohort.rows[1].mask == "ds/derivatives/prep/sub-001/anat/sub-001_space-MNI_desc-brain_mask.nii.gz"
        assert cohort.rows[1].labels["age"] == 21
        assert len(cohort.rows[1].mask_sha256) == 64
    found = problems_of(declare(options={**options, "mask": "hippocampus"}))
    assert [p.code for p in found] == ["mask-missing"]
    found = problems_of(declare(options={**options, "space": "Talairach"}))
    assert found[0].pointer == "/datasets/clinic/files/bids/space"
    assert "space: MNI (2), native (2)" in found[0].note


@pytest.fixture
def fmriprep(tmp_path):
    """Two people, two visits, two runs; three grids of each image, each with its mask; a mask of a task beside them."""
    base = tmp_path / "ds" / "derivatives" / "fmriprep"
    grids = ("", "_space-MNI152NLin6Asym_res-2", "_space-MNI152NLin2009cAsym_res-2")
    number = 0
    for person, visit, run in itertools.product(("a", "b"), ("01", "02"), ("1", "2")):
        place = base / f"sub-{person}" / f"ses-{visit}"
        for grid, (kind, what) in itertools.product(
            grids, (("anat", "desc-preproc_T1w"), ("anat", "desc-brain_mask"), ("func", "desc-brain_mask"))
        ):
            number += 1
            task = "_task-rest" if kind == "func" else ""
            (place / kind).mkdir(parents=True, exist_ok=True)
            name = f"sub-{person}_ses-{visit}{task}_run-{run}{grid}_{what}.nii.gz"
            (place / kind / name).write_bytes(gzip.compress(image(number)))
    return base


DERIVED = {"folder": "ds", "suffix": "T1w", "derivatives": "fmriprep", "desc": "preproc"}


def test_a_mask_has_the_entities_of_its_image_unless_others_are_written(fmriprep, declare):
    cohort, problems = index(declare(options={**DERIVED, "mask": "brain"}), HashCache())
    assert not problems
    assert len(cohort.rows) == 24
    for row in cohort.rows:
        assert row.mask == row.image.replace("desc-preproc_T1w", "desc-brain_mask")


def test_a_mask_of_another_space_is_taken_only_when_it_is_named(fmriprep, declare):
    for mask in fmriprep.rglob("*_run-?_space-MNI152NLin6Asym_*_mask.nii.gz"):
        mask.unlink()
    asked = {**DERIVED, "space": "MNI152NLin6Asym", "mask": "brain"}
    (found,) = problems_of(declare(options=asked))
    assert (found.code, found.message) == ("mask-missing", "8 of 8 images have no fitting mask")
    assert "name what differs" in found.help[0]
    assert any("MNI152NLin2009cAsym" in note for note in found.note)
    other = {"desc": "brain", "suffix": "mask", "space": "MNI152NLin2009cAsym"}
    cohort, problems = index(declare(options={**asked, "mask": other}), HashCache())
    assert not problems
    assert all("/anat/" in row.mask and "space-MNI152NLin2009cAsym" in row.mask for row in cohort.rows)


def test_a_visit_or_run_may_be_written_as_a_number(fmriprep, declare):
    cohort, _ = index(declare(options={**DERIVED, "space": "MNI152NLin6Asym"}), HashCache())
    rows, problems = narrow.only(cohort, {"session": 1, "run": [1]})
    assert not problems
    assert {(row.session, row.entities["run"]) for row in rows} == {("01", "1")}
    alike, _ = index(declare(options={**DERIVED, "space": "MNI152NLin6Asym", "session": "1", "run": "01"}), HashCache())
    assert [row.image for row in alike.rows] == [row.image for row in rows]


def test_a_value_that_no_image_has_is_told_with_those_there_are(fmriprep, declare):
    cohort, _ = index(declare(options={**DERIVED, "space": "MNI152NLin6Asym"}), HashCache())
    rows, (found,) = narrow.only(cohort, {"session": [1, "pre"]}, "/datasets/clinic/only")
    assert len(rows) == 4
    assert (found.code, found.severity) == ("only-unmatched", Severity.WARNING)
    assert found.pointer == "/datasets/clinic/only/session/1"
    assert found.help == ('values of `session` there: "01" (4), "02" (4)',)
    rows, (found,) = narrow.only(cohort, {"session": "02", "space": "MNI152NLin6Asm"}, "/datasets/clinic/only")
    assert not rows
    assert (found.code, found.pointer) == ("only-empty", "/datasets/clinic/only/space")
    assert found.help[0] == 'did you mean "MNI152NLin6Asym"?'


def test_an_exclusion_list_is_reported_with_its_reasons(bids, declare):
    base = bids(6)
    (base / "exclude.tsv").write_text("participant_id\treason\nsub-001\tmotion\n002\tmotion\nsub-004\tartefact\n")
    cohort, problems = index(
        declare(options={"folder": "ds", "suffix": "T1w", "exclude": "ds/exclude.tsv"}), HashCache()
    )
    assert len(cohort.rows) == 3
    (info,) = (p for p in problems if p.code == "excluded")
    assert info.severity is Severity.INFO
    assert info.message == "3 images of `clinic` are left out: artefact (1), motion (2)"


def test_an_image_as_nii_and_nii_gz_is_refused(bids, declare):
    base = bids(3)
    (base / "sub-001/anat/sub-001_T1w.nii").write_bytes(image(10))
    (found,) = problems_of(declare())
    assert found.code == "image-twice"
    options = {"folder": "ds", "suffix": "T1w", "extension": ".nii.gz"}
    assert problems_of(declare(options=options)) == []


def test_participants_without_image_or_row_are_counted_not_named(bids, declare):
    base = bids(5)
    shutil.rmtree(base / "sub-002")
    place = base / "sub-900" / "anat"
    place.mkdir(parents=True)
    (place / "sub-900_T1w.nii.gz").write_bytes(gzip.compress(image(1)))
    cohort, found = index(declare(), HashCache())
    assert {p.code: p.severity.value for p in found} == {
        "participant-unlisted": "warning",
        "participant-without-image": "warning",
    }
    assert not any("sub-" in str(p) for p in found)
    assert any("sub-002" in str(p) for p in problems_of(declare(), with_names=True))
    assert cohort.rows[-1].labels["age"] is None


def test_a_wrong_suffix_is_told_what_is_there(bids, declare):
    bids(3)
    (found,) = problems_of(declare(options={"folder": "ds", "suffix": "T2w"}))
    assert (found.code, found.pointer) == ("files-missing", "/datasets/clinic/files/bids/suffix")
    assert found.note == ("suffixes there: T1w (3)",)


def test_ages_of_89_and_more_are_read_with_a_warning(bids, declare):
    base = bids(3)
    table = base / "participants.tsv"
    table.write_text(table.read_text().replace("\t21\t", "\t89+\t"))
    cohort, (found,) = index(declare(), HashCache())
    assert (found.code, cohort.rows[1].labels["age"]) == ("age-capped", 89)


def test_a_map_recodes_and_refuses_what_it_lacks(bids, declare):
    bids(4)
    decl = declare(
        labels={"gender": LabelDecl("sex", {"F": "w", "M": "m"}), "old": LabelDecl("age", {"20": 0, "21": 1})}
    )
    (found,) = problems_of(decl)
    assert (found.code, found.pointer) == ("target-map", "/datasets/clinic/labels/old/map")
    assert found.message == "2 values of column `age` are not in the map: `22` (1), `23` (1)"
    hidden = declare(labels={"old": LabelDecl("age", {"20": 0}, private=True)})
    assert "`22`" not in str(problems_of(hidden))
    cohort, problems = index(declare(labels={"gender": LabelDecl("sex", {"F": "w", "M": "m"})}), HashCache())
    assert not problems
    assert cohort.rows[0].labels["gender"] == "w"
    assert cohort.rows[0].labels["sex"] == "F"


def test_joins_add_columns_and_hide_private_ones(bids, declare):
    base = bids(4)
    (base / "extra.csv").write_text('participant_id,score,note\n000,1.5,"a, b"\nsub-001,2,c\n')
    cohort, problems = index(declare(joins=(JoinDecl("ds/extra.csv", private=True),)), HashCache())
    assert not problems
    assert [row.labels["score"] for row in cohort.rows] == [1.5, 2, None, None]
    assert {"score", "note"} <= cohort.private
    (found,) = problems_of(declare(joins=(JoinDecl("ds/extra.csv", ("subject",)),)))
    assert (found.code, found.pointer) == ("join-column", "/datasets/clinic/join/0/by")


def test_missing_cells_and_numbers_are_read_as_declared(bids, declare):
    base = bids(4)
    table = base / "participants.tsv"
    table.write_text(table.read_text().replace("\t21\t", "\t-9\t").replace("\t22\t", "\tNaN\t"))
    cohort, _ = index(declare(missing=("n/a", -9)), HashCache())
    assert cohort.labels["age"].kind == "mixed"
    problem = wrong_kind(cohort, "age", "number", "/t", "`regression`")
    assert problem.help == ("if it means a missing value: `missing: [n/a, NaN]`",)
    cohort, _ = index(declare(missing=("n/a", -9, "NaN")), HashCache())
    assert [row.labels["age"] for row in cohort.rows] == [20, None, None, 23]
    assert [number(cell) for cell in ("55", "55.0", "1e3", "01", "1e999", "nan", "0", ".5")] == [
        55, 55, 1000, None, None, None, 0, 0.5,
    ]  # fmt: skip


def test_a_missing_label_lists_the_columns_and_the_nearest(made):
    found = missing_label(made(3), "sexe", "/stages/s/objective/classification/target")
    assert found.message.startswith(
        "no label `sexe` in `participants.tsv` of `clinic` (columns: participant_id, age, sex"
    )
    assert found.help == ("did you mean `sex`?",)


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "t"
    folder.mkdir()
    for k in range(3):
        (folder / f"{k}.nii").write_bytes(image(k))
    (folder / "list.csv").write_text("participant_id,file,age\na,0,1\nb,1,2\nc,2,3\n")
    return folder


def test_a_table_names_its_images(table, declare):
    cohort, problems = index(
        declare(reader="table", options={"file": "t/list.csv", "image": "t/{file}.nii"}), HashCache()
    )
    assert not problems
    assert [row.image for row in cohort.rows] == ["t/0.nii", "t/1.nii", "t/2.nii"]
    assert cohort.table == "t/list.csv"


@pytest.mark.parametrize(
    ("options", "code", "place"),
    [
        ({"image": "t/{subject}.nii"}, "placeholder-unknown", "image"),
        ({"image": "t/{age}.nii"}, "files-missing", "image"),
        ({"image": "../{file}.nii"}, "path-escape", "image"),
        ({"image": "/etc/{file}"}, "path-escape", "image"),
        ({"file": "~/list.csv"}, "path-escape", "file"),
        ({"file": "t/none.csv"}, "table-missing", "file"),
        ({"id": "subject"}, "target-missing", "id"),
    ],
)
def test_a_table_with_a_mistake_says_where(table, declare, options, code, place):
    given = {"file": "t/list.csv", "image": "t/{file}.nii", **options}
    cohort, problems = index(declare(reader="table", options=given), HashCache())
    assert cohort is None
    assert [(p.code, p.pointer) for p in problems] == [(code, f"/datasets/clinic/files/table/{place}")]


def test_p15_no_file_outside_the_root_is_read(table, bids, declare, tmp_path):
    secret = tmp_path.parent / f"{tmp_path.name}-secret.nii"
    secret.write_bytes(image(7))
    (table / "1.nii").unlink()
    (table / "1.nii").symlink_to(secret)
    found = problems_of(declare(reader="table", options={"file": "t/list.csv", "image": "t/{file}.nii"}))
    assert [p.code for p in found] == ["path-escape"]
    (table / "list.csv").write_text("participant_id,file\na,../../x\n")
    found = problems_of(declare(reader="table", options={"file": "t/list.csv", "image": "t/{file}.nii"}))
    assert [p.code for p in found] == ["path-escape"]
    base = bids(2)
    (base / "sub-000" / "anat" / "sub-000_run-2_T1w.nii").symlink_to(secret)
    assert "path-escape" in [p.code for p in problems_of(declare())]


def test_identities_follow_the_map_and_the_namespace(bids, declare, tmp_path):
    bids(3)
    bids(3, folder="other")
    first, _ = index(declare(), HashCache())
    other = declare(folder="other", name="other")
    second, _ = index(other, HashCache())
    assert not {r.person for r in first.rows} & {r.person for r in second.rows}
    same = [
        index(declare(folder=f, name=f, identity=IdentityDecl(namespace="lab")), HashCache())[0]
        for f in ("ds", "other")
    ]
    assert [r.person for r in same[0].rows] == [r.person for r in same[1].rows]
    (tmp_path / "private" / "alias.tsv").write_text("participant_id\tidentity\nsub-002\t000\n")
    mapped, problems = index(declare(name="ds", identity=IdentityDecl("lab", map="alias.tsv")), HashCache())
    assert not problems
    assert mapped.rows[2].person == same[0].rows[0].person
    assert (tmp_path / "private" / "group.key").stat().st_mode & 0o777 == 0o600
    lost = declare(identity=IdentityDecl("lab", map="none.tsv"))
    assert [p.code for p in problems_of(lost)] == ["identity-map"]


@pytest.mark.parametrize(
    ("reader", "options"),
    [("bids", {"folder": ".", "suffix": "T1w"}), ("table", {"file": "people.tsv", "image": "{id}.nii"})],
)
def test_a_root_that_is_not_there_is_named_with_what_to_do(declare, tmp_path, reader, options):
    there = evolve(declare(reader=reader, options=options), root_name="scans")
    gone = evolve(there, root=tmp_path / "gone")
    (found,) = problems_of(gone)
    assert "--root scans=FOLDER" in found.help[0]
    assert not any("--root scans" in line for found in problems_of(there) for line in found.help)
