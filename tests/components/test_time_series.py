"""Tables of time series: what is read, cut and standardised, and what is refused."""

import numpy as np
import pytest

from tlimb.cohorts.scan import scan
from tlimb.components.data.time_series import TimeSeries
from tlimb.components.images import recording

SERIES = np.random.default_rng(0).normal(100, 5, (12, 3))


def table(folder, ending, values=SERIES, header=True):
    path = folder / f"series{ending}"
    if ending == ".npy":
        np.save(path, values)
    else:
        between = {".tsv": "\t", ".csv": ",", ".txt": "  "}[ending]
        names = [between.join("abc")] if header else []
        lines = [*names, *(between.join(map(repr, row)) for row in values.tolist())]
        path.write_text("\n".join(lines) + "\n\n")
    return path


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("ending", [".tsv", ".csv", ".txt", ".npy"])
def test_every_kind_of_table_gives_its_numbers_with_regions_as_channels(tmp_path, ending, header):
    found = TimeSeries(standardise=False).load(table(tmp_path, ending, header=header), None)
    assert found.dtype == np.float32
    assert np.array_equal(found, SERIES.T.astype(np.float32))


def test_planning_sees_the_table_that_training_reads(tmp_path):
    path = table(tmp_path, ".tsv")
    seen = scan(path)
    with recording() as reading:
        TimeSeries().load(path, None)
    assert reading.digests == {path: seen.sha256}
    assert seen.shape == SERIES.shape
    assert seen.voxels == scan(table(tmp_path, ".csv", header=False)).voxels
    assert seen.voxels != scan(table(tmp_path, ".txt", SERIES[::-1])).voxels


def test_rows_may_be_regions(tmp_path):
    found = TimeSeries(rows="regions").load(table(tmp_path, ".npy", SERIES.T), None)
    assert np.array_equal(found, TimeSeries().load(table(tmp_path, ".tsv"), None))


def test_each_run_is_cut_and_standardised_alone(tmp_path):
    jump = SERIES + np.repeat([0, 1000, -500], 4)[:, None]
    path = table(tmp_path, ".npy", jump)
    found = TimeSeries(runs=3, skip_tr=1, window_tr=2).load(path, None)
    parts = [SERIES[first + 1 : first + 3] for first in (0, 4, 8)]
    expected = np.concatenate([(part - part.mean(axis=0)) / part.std(axis=0) for part in parts]).T
    assert np.allclose(found, expected, atol=1e-4)
    assert not np.allclose(TimeSeries(skip_tr=1, window_tr=6).load(path, None), expected, atol=0.1)


def test_the_first_runs_alone_are_kept_and_joined(tmp_path):
    path = table(tmp_path, ".tsv", SERIES)
    all_runs = TimeSeries(runs=3, skip_tr=1).load(path, None)
    first = TimeSeries(runs=3, skip_tr=1, keep_runs=2).load(path, None)
    assert first.shape == (SERIES.shape[1], 2 * (len(SERIES) // 3 - 1))
    assert np.array_equal(first, all_runs[:, : first.shape[1]])
    assert TimeSeries(runs=3, keep_runs=3).recipe() == TimeSeries(runs=3).recipe()
    assert TimeSeries(runs=3, keep_runs=2).recipe() != TimeSeries(runs=3).recipe()
    with pytest.raises(ValueError, match="holds 3 runs"):
        TimeSeries(runs=3, keep_runs=4)


def test_a_constant_region_becomes_zero(tmp_path):
    values = SERIES.copy()
    values[:, 1] = 1234.5678
    found = TimeSeries().load(table(tmp_path, ".tsv", values), None)
    assert not found[1].any()
    assert np.allclose(found[[0, 2]].std(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t2\n3\n", "its row 2 has 1 columns, others have 2"),
        ("a\tb\n1\t2\n3\tn/a\n", "column 2 of its row 2 is missing or no number"),
        ("1\t2\n3\tnan\n", "column 2 of its row 2"),
        ("1\t2\n3\t1_0\n", "column 2 of its row 2"),
        ("1\t2\n3\t1e999\n", "too large"),
        ("a\tb\n", "no numbers"),
        ("\n", "no numbers"),
    ],
)
def test_a_table_with_gaps_is_refused_and_the_row_is_named(tmp_path, text, message):
    path = tmp_path / "secret.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        TimeSeries().load(path, None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (SERIES, {"window_tr": 13}, "a run has 12 time points, fewer than 0 to skip and 13 to keep"),
        (SERIES, {"skip_tr": 11}, "fewer than 11 to skip and 2 to keep"),
        (SERIES, {"runs": 5}, "12 time points do not fall into 5 runs"),
        (np.where(SERIES > 105, np.nan, SERIES), {}, "no finite numbers"),
        (SERIES[None], {}, "two axes"),
        (SERIES.astype(str), {}, "cannot be decoded"),
    ],
)
def test_a_table_that_does_not_fit_the_options_is_refused(tmp_path, values, options, message):
    with pytest.raises(ValueError, match=message):
        TimeSeries(**options).load(table(tmp_path, ".npy", values), None)


def test_a_damaged_npy_and_a_mask_are_refused(tmp_path):
    path = table(tmp_path, ".npy")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="ends before its last number"):
        TimeSeries().load(path, None)
    with pytest.raises(ValueError, match="have no mask"):
        TimeSeries().load(table(tmp_path, ".tsv"), path)
    with pytest.raises(ValueError, match="no table of time series"):
        TimeSeries().load(tmp_path / "bold.nii.gz", None)
