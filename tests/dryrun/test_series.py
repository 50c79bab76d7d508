"""Studies on time series are checked deeply like those on images."""

import pytest

from tests.dryrun.conftest import HEAD, Project, at, told

SERIES = "  data: {time_series: {window_tr: 20}}\n"


class Series(Project):
    """The eight people, with tables of 5 regions at 24 time points."""

    def add(self, numbers, shape):
        for number in numbers:
            rows = ["\t".join(str(row * (region + 2) % 11 + number) for region in range(5)) for row in range(24)]
            (self.folder / f"p{number}.tsv").write_text("\n".join(rows) + "\n")

    def write(self, rest):
        path = self.folder / "study.yaml"
        path.write_text(HEAD.replace(".nii.gz", ".tsv") + rest)
        return path


@pytest.fixture
def series(tmp_path):
    return Series(tmp_path)


@pytest.mark.parametrize(
    ("architecture", "features"),
    [
        ("connectivity", 10),
        ("connectivity: {width: 4}", 4),
        ("resnet1d: {depth: 10, filters: 2}", 16),
        ("tcn: {filters: 6}", 6),
        ("transformer1d: {width: 8, heads: 2}", 8),
        ("transformer1d: {tokens: regions, width: 8, heads: 2}", 8),
    ],
)
def test_a_network_for_series_is_built_from_what_the_headers_say(series, architecture, features):
    written = f"{{{architecture}}}" if ":" in architecture else architecture
    found = series.check(SERIES + f"  architecture: {written}\nstages: {{train: {{}}}}\n")
    (network,) = found.networks
    assert (network.facts.channels, network.facts.shape, network.facts.features) == (5, (20,), features)


def test_frozen_connectivity_has_only_its_head_to_train(series):
    stages = "stages:\n  pretrain: {}\n  probe: {from: pretrain, freeze: {up_to: all}}\n"
    found = series.check(SERIES + "  architecture: connectivity\n" + stages)
    assert [(network.facts.total, network.facts.trainable) for network in found.networks] == [(22, 22), (22, 22)]


def test_series_and_networks_for_volumes_do_not_meet(series, tmp_path):
    found = series.check(SERIES + "  architecture: {sfcn: {channels: [2, 4]}}\nstages: {train: {}}\n")
    (problem,) = told(found, "shape")
    assert problem.message == "`sfcn channels=2+4` takes 3D images, these are time series"
    assert "connectivity" in problem.help[0]


def test_volumes_and_networks_for_series_do_not_meet(study):
    volumes = "  data: {bio_image: {spacing_mm: 8, crop: [8, 8, 8]}}\n"
    found = study.check(volumes + "  architecture: tcn\nstages: {train: {}}\n")
    (problem,) = told(found, "shape")
    assert problem.message == "`tcn` takes time series, these have 3 dimensions"
    assert problem.help[0] == "`data: time_series` reads time series"


def test_patches_that_do_not_cover_a_series_are_told_with_a_length_that_fits(series):
    found = series.check(SERIES + "  architecture: {transformer1d: {patch_size: 8}}\nstages: {train: {}}\n")
    (problem,) = told(found, "shape")
    assert "patches of 8 do not cover 20" in problem.message
    assert problem.help == ("a size that fits: 24",)
    assert at(problem) == (2, 17)


def test_a_window_that_is_longer_than_the_series_is_told_at_the_data(series):
    found = series.check("  data: {time_series: {window_tr: 30}}\n  architecture: tcn\nstages: {train: {}}\n")
    (problem,) = told(found, "shape")
    assert "a run has 24 time points, fewer than 0 to skip and 30 to keep" in problem.message


def test_series_of_several_lengths_are_told_with_the_option_that_cuts_them(series):
    short = (series.folder / "p3.tsv").read_text().splitlines()[:21]
    (series.folder / "p3.tsv").write_text("\n".join(short) + "\n")
    found = series.check("  data: {time_series: {}}\n  architecture: connectivity\nstages: {train: {}}\n")
    (problem,) = told(found, "shape")
    assert "images of 2 sizes" in problem.message
    assert problem.help == ("keep as many time points of each:   time_series: {window_tr: N}",)
