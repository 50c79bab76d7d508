"""Resting-state series of the phantom: coupling falls with age, and a cohort without them is the same as before."""

import json

import numpy as np

from tlimb.phantom import dataset, people, series

REGIONS = 16


def within(values):
    """Give the mean correlation of regions with others of their network, and of network 1 with network 2."""
    found = np.corrcoef(values.T)
    member = np.arange(REGIONS) % series.NETWORKS
    same = (member[:, None] == member) & ~np.eye(REGIONS, dtype=bool)
    return found[same].mean(), found[np.ix_(member == 0, member == 1)].mean()


def test_coupling_within_networks_falls_with_age_and_between_two_in_patients():
    crowd = [people.person(0, number, 3, 1, 0.0) for number in range(150)]
    found = np.array([within(series.draw(0, who, 0, REGIONS)) for who in crowd])
    ages = np.array([who.ages[0] for who in crowd])
    ill = np.array([who.patient for who in crowd])
    assert np.corrcoef(ages, found[:, 0])[0, 1] < -0.6
    spread = found[:, 1].std()
    assert found[~ill, 1].mean() - found[ill, 1].mean() > 0.5 * spread


def test_a_signal_remembers_as_long_as_documented_at_every_site():
    for site, number in ((0, 0), (1, 2), (2, 4)):
        who = people.person(0, number, 3, 1, 0.0)
        assert who.site == site
        values = series.draw(0, who, 0, 400)
        lagged = [np.corrcoef(column[:-1], column[1:])[0, 1] for column in values.T]
        assert abs(np.mean(lagged) - np.exp(-series.repetition_time_s(site) / series.MEMORY_S)) < 0.06


def test_series_are_the_same_for_any_number_of_people_and_images_stay_as_they_were(tmp_path):
    small = dataset.make(tmp_path / "small", 2, regions=4)
    large = dataset.make(tmp_path / "large", 3, regions=4)
    plain = dataset.make(tmp_path / "plain", 2)
    name = "sub-0002/func/sub-0002_task-rest_timeseries.tsv"
    first, second = (folder / "derivatives" / "series" / name for folder in (small, large))
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_text().splitlines()) == series.TIME_POINTS + 1
    image = "sub-0002/anat/sub-0002_T1w.nii.gz"
    assert (small / image).read_bytes() == (plain / image).read_bytes()
    assert "regions" not in json.loads((plain / "phantom.json").read_text())
    assert dataset.make(tmp_path / "small", 2, regions=4) == small
