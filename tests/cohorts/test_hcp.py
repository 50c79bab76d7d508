"""The layouts of the Human Connectome Project, on small folders of the same names."""

import gzip

import pytest
from cohort_making import image

from tlimb.cohorts.hashing import HashCache
from tlimb.cohorts.index import index
from tlimb.cohorts.labels import labels
from tlimb.cohorts.leaks import Kinship
from tlimb.cohorts.parts import divide
from tlimb.problems import Severity

PEOPLE = [f"{100000 + 37 * k}" for k in range(12)]
TABLES = {"behavioural": "hcp/behavioural.csv", "restricted": "hcp/restricted.csv"}


def restricted(k):
    """Pairs of siblings; the first of each half-siblings of the next pair's second, by their mother alone."""
    return {"Family_ID": f"{k // 2}", "Mother_ID": f"m{(k + 1) // 2}", "Age_in_Yrs": f"{22 + k}"}


@pytest.fixture
def release(tmp_path):
    base = tmp_path / "hcp"
    for k, person in enumerate(PEOPLE):
        for folder, names in {
            "T1w": ("T1w_acpc_dc_restore_brain", "brainmask_fs"),
            "MNINonLinear": ("T1w_restore_brain", "T1w_restore", "brainmask_fs"),
        }.items():
            (base / person / folder).mkdir(parents=True)
            for number, name in enumerate(names):
                content = gzip.compress(image(k * 10 + number + 100 * (folder == "T1w")), mtime=0)
                (base / person / folder / f"{name}.nii.gz").write_bytes(content)
    for regions in (15, 25):
        series = base / "node_timeseries" / f"3T_HCP1200_MSMAll_d{regions}_ts2"
        series.mkdir(parents=True)
        for k, person in enumerate(PEOPLE[:8]):
            lines = [" ".join(f"{(k * t + r) % 17}.5" for r in range(regions)) for t in range(8)]
            (series / f"{person}.txt").write_text("\n".join(lines) + "\n")
    table(base / "behavioural.csv", [{"Gender": "FM"[k % 2], "Age": "26-30"} for k in range(12)])
    table(base / "restricted.csv", [restricted(k) for k in range(12)])
    return base


def table(path, rows):
    columns = ["Subject", *rows[0]]
    lines = [",".join([person, *row.values()]) for person, row in zip(PEOPLE, rows, strict=False)]
    path.write_text("\n".join([",".join(columns), *lines]) + "\n")


@pytest.fixture
def read(release, declare):
    def make(**options):
        given = {"folder": "hcp", "image": "T1w_restore_brain", **TABLES, **options}
        declaration = declare(reader="hcp", name="hcp", options=given)
        return index(declaration, HashCache(), with_names=True)

    return make


@pytest.mark.parametrize(
    ("image", "path", "entities"),
    [
        ("T1w_restore_brain", "MNINonLinear/T1w_restore_brain", {"space": "MNI152NLin6Asym", "description": "brain"}),
        ("T1w_restore", "MNINonLinear/T1w_restore", {"space": "MNI152NLin6Asym"}),
        ("T1w_acpc_dc_restore_brain", "T1w/T1w_acpc_dc_restore_brain", {"space": "acpc", "description": "brain"}),
    ],
)
def test_an_option_chooses_the_image_and_says_in_which_space_it_lies(read, image, path, entities):
    cohort, problems = read(image=image)
    assert not problems
    assert [row.image for row in cohort.rows] == [f"hcp/{person}/{path}.nii.gz" for person in PEOPLE]
    assert all(row.entities == entities for row in cohort.rows)


def test_both_tables_give_labels_and_the_restricted_one_stays_private(read):
    cohort, _ = read()
    assert [row.labels["Gender"] for row in cohort.rows] == ["F", "M"] * 6
    assert [row.labels["Age_in_Yrs"] for row in cohort.rows] == list(range(22, 34))
    assert cohort.private == {"Subject", "Family_ID", "Mother_ID", "Age_in_Yrs"}


def test_relatives_are_never_divided_although_the_split_names_no_group(read):
    cohort, _ = read()
    assert cohort.kin == ("Family_ID", "Mother_ID")
    # Families and mothers chain all people into one group, so two folds cannot be made.
    division, problems = divide(cohort, {"kfold": {"folds": 2}}, seed=1)
    assert division is None
    assert "only 1" in problems[0].message
    kinship = Kinship([cohort])
    assert len({kinship.family(row) for row in cohort.rows}) == 1


def test_siblings_stay_together_in_every_fold(read, release):
    table(release / "restricted.csv", [{"Family_ID": f"{k // 2}"} for k in range(12)])
    cohort, _ = read()
    division, _ = divide(cohort, {"kfold": {"folds": 3}}, seed=1)
    for parts in division.folds.values():
        for people in parts.values():
            assert all((PEOPLE[k] in people) == (PEOPLE[k + 1] in people) for k in range(0, 12, 2))


def test_without_the_restricted_table_families_are_unknown_and_that_is_said(read):
    cohort, problems = read(restricted=None)
    assert [(one.code, one.severity) for one in problems] == [("families-unknown", Severity.WARNING)]
    assert cohort.kin == ()


def test_node_time_series_are_found_by_their_number_of_regions(read):
    cohort, problems = read(image="node_timeseries", regions=25)
    assert [row.shape for row in cohort.rows] == [(8, 25)] * 8
    assert cohort.rows[0].image == f"hcp/node_timeseries/3T_HCP1200_MSMAll_d25_ts2/{PEOPLE[0]}.txt"
    assert [(one.code, one.severity) for one in problems] == [("participant-without-image", Severity.INFO)]
    assert "4 of 12" in problems[0].message


def test_masks_are_those_beside_the_images_and_missing_ones_are_counted(read, release):
    cohort, _ = read(image="T1w_acpc_dc_restore_brain", mask=True)
    assert cohort.rows[3].mask == f"hcp/{PEOPLE[3]}/T1w/brainmask_fs.nii.gz"
    (release / PEOPLE[3] / "T1w" / "brainmask_fs.nii.gz").unlink()
    cohort, problems = read(image="T1w_acpc_dc_restore_brain", mask=True)
    assert cohort is None
    assert problems[0].code == "mask-missing"
    assert problems[0].note == (PEOPLE[3],)


@pytest.mark.parametrize(
    ("options", "code", "place", "says"),
    [
        ({"folder": "nowhere"}, "files-missing", "folder", "no folder"),
        ({"folder": "../hcp"}, "path-escape", "folder", ".."),
        ({"image": "T2w_restore"}, "files-missing", "image", "none of the 12 people's folders"),
        ({"image": "node_timeseries"}, "files-missing", "image", "15, 25 regions"),
        ({"image": "node_timeseries", "regions": 50}, "files-missing", "regions", "50 regions"),
        ({"image": "node_timeseries", "regions": 15, "mask": True}, "combination", "mask", "no mask"),
        ({"regions": 15}, "combination", "regions", "no regions"),
        ({"release": "../x"}, "path-escape", "release", ".."),
        ({"behavioural": "hcp/none.csv"}, "table-missing", "behavioural", "no table"),
        ({"restricted": "hcp/behavioural.csv"}, "column-twice", "restricted", "`Gender` is in both"),
    ],
)
def test_what_is_wrong_is_told_at_its_option(read, options, code, place, says):
    cohort, problems = read(**options)
    errors = [one for one in problems if one.severity is Severity.ERROR]
    assert cohort is None
    assert [(one.code, one.pointer.rpartition("/")[2]) for one in errors] == [(code, place)]
    assert says in errors[0].message


def test_a_table_without_the_key_or_with_somebody_twice_is_refused(read, release):
    (release / "behavioural.csv").write_text("ID,Gender\n1,F\n")
    assert "no column Subject" in read()[1][0].message
    (release / "behavioural.csv").write_text("Subject,Gender\n1,F\n1,M\n")
    assert "1 people stand in it twice" in read()[1][0].message


def test_editors_are_told_the_columns_of_both_tables(release, tmp_path):
    found = labels("hcp", {"folder": "hcp", **TABLES}, tmp_path)
    assert {"Gender", "Age", "Family_ID", "Age_in_Yrs"} <= set(found)


def test_a_value_of_a_private_column_is_in_no_message_about_a_map(read, release, declare):
    from tlimb.cohorts.declaration import LabelDecl

    given = {"folder": "hcp", "image": "T1w_restore_brain", **TABLES}
    recoded = {"kin": LabelDecl("Family_ID", {"0": "first"})}
    _, problems = index(declare(reader="hcp", name="hcp", options=given, labels=recoded), HashCache())
    assert [one.message for one in problems] == ["5 values of column `Family_ID` are not in the map"]
