"""Check whether the files of a study are still what they were."""

from collections.abc import Callable

from tlimb.api.indexing import open_cohorts
from tlimb.api.load import Loaded
from tlimb.cohorts.hashing import HashCache
from tlimb.project import Project


def verify_images(loaded: Loaded, place: Project, progress: Callable[[int, int], None], *, full: bool) -> list[str]:
    """Index every dataset again and give one line each.

    Args:
        loaded: the study.
        place: where things lie.
        progress: observer (done, all).
        full: read every byte, whatever the stat of a file says.

    Raises:
        TlimbError: a dataset cannot be indexed.
    """
    study = loaded.sound()
    hashes = HashCache(place.private, full=full)
    cohorts = open_cohorts(study, place, hashes, progress)
    said = [f"{name}: {len(cohorts.cohort(name).rows)} images" for name in study.datasets]
    hashes.save()
    return [*said, f"{hashes.fresh} files read, {hashes.hits} known by size and time"]
