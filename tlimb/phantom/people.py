"""The people of a phantom cohort: every number of person k depends on the seed and k alone."""

import numpy as np
from attrs import frozen

from tlimb.phantom.render import KNOTS, Anatomy, Array, Scanner

SITES = (
    Scanner(shading=0.04, noise=0.03, gain=0.05),
    Scanner((1.12, 1.0, 1.6), 1.15, 0.10, 3.0, 0.06, 0.08),
    Scanner((0.90, 1.05, 0.7), 0.85, 0.07, 5.0, 0.045, 0.08),
)
YEARS_BETWEEN_VISITS = 2.0
SIBLINGS = 0.5
"""Share of the variance of anatomy that siblings have in common."""
SAME_PERSON = 0.98
"""Share of the variance of anatomy that visits of one person have in common."""
FIELD_MM = 1.0
LABEL_NOISE = 0.05
PATIENTS = 0.4


@frozen
class Person:
    """One participant, with the hidden truth.

    Attributes:
        number: position from 0.
        family: position of the family.
        site: position of the site.
        sex: F or M.
        ages: age at each visit, years.
        patient: the true state.
        diagnosis: the state in the table, wrong for a few.
        gap: how much older the brain is than the person, years.
        noise: (5,) individual deviations: ventricle, cortex, surface, size, hippocampus; unit variance.
        field: (3, 5, 6, 5) anatomy at the knots, unit variance.
    """

    number: int
    family: int
    site: int
    sex: str
    ages: tuple[float, ...]
    patient: bool
    diagnosis: str
    gap: float
    noise: Array
    field: Array

    @property
    def participant(self) -> str:
        """Give the id in the table."""
        return f"sub-{self.number + 1:04d}"

    @property
    def family_name(self) -> str:
        """Give the name of the family in the table."""
        return f"fam-{self.family + 1:04d}"

    @property
    def site_name(self) -> str:
        """Give the name of the site in the table."""
        return site_name(self.site)


def site_name(site: int) -> str:
    """Give the name of a site: A, B, ..."""
    return chr(ord("A") + site)


def generator(seed: int, *place: int) -> np.random.Generator:
    """Give the randomness of one place, independent of all others and of how many there are."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=place)))


def scanner(seed: int, site: int) -> Scanner:
    """Give a site's scanner: the first three are fixed, others are drawn."""
    if site < len(SITES):
        return SITES[site]
    draw = generator(seed, 1, site)
    grey, white, fluid = np.exp(draw.normal(0.0, (0.10, 0.03, 0.30)))
    gamma, shading, blur, noise = draw.uniform((0.85, 0.04, 0.0, 0.03), (1.15, 0.10, 5.0, 0.06))
    return Scanner(
        (float(grey), float(white), float(fluid)), float(gamma), float(shading), float(blur), float(noise), 0.08
    )


def person(seed: int, number: int, sites: int, visits: int, families: float) -> Person:
    """Draw participant `number`.

    Args:
        seed: of the cohort.
        number: position from 0.
        sites: number of sites; pairs of people go to them in turn.
        visits: number of visits, YEARS_BETWEEN_VISITS apart.
        families: probability that two neighbours (0 and 1, 2 and 3, ..) are siblings.
    """
    pair = number // 2
    home = generator(seed, 2, pair)
    related = bool(home.random() < families)
    common_noise, common_field = home.standard_normal(5), home.standard_normal((3, *KNOTS))
    own = generator(seed, 0, number)
    age = float(own.uniform(20.0, 85.0 - YEARS_BETWEEN_VISITS))
    sex = "F" if own.random() < 0.5 else "M"
    patient = bool(own.random() < PATIENTS)
    mistaken = bool(own.random() < LABEL_NOISE)
    gap = float(own.normal(0.0, 3.0))
    noise, field = own.standard_normal(5), own.standard_normal((3, *KNOTS))
    if related:
        noise = np.sqrt(SIBLINGS) * common_noise + np.sqrt(1 - SIBLINGS) * noise
        field = np.sqrt(SIBLINGS) * common_field + np.sqrt(1 - SIBLINGS) * field
    return Person(
        number,
        2 * pair if related else number,
        pair % sites,
        sex,
        tuple(round(age + YEARS_BETWEEN_VISITS * visit, 1) for visit in range(visits)),
        patient,
        "patient" if patient != mistaken else "control",
        gap,
        noise,
        field,
    )


def anatomy(seed: int, who: Person, visit: int) -> Anatomy:
    """Give a person's brain at a visit."""
    draw = generator(seed, 3, who.number, visit)
    noise, field = _again(draw, who.noise), _again(draw, who.field)
    t = (who.ages[visit] + who.gap - 50.0) / 30.0
    drive = t + 0.35 * max(t, 0.0) ** 2
    ill = float(who.patient)
    larger = 0.022 if who.sex == "M" else -0.022
    return Anatomy(
        scale=1.0 + larger + 0.022 * float(noise[3]),
        field=FIELD_MM * field,
        ventricle_mm=2.0 * drive + 0.5 * float(noise[0]) + 1.0 * ill,
        cortex_loss=0.12 + 0.10 * drive + 0.025 * float(noise[1]),
        shrink_mm=0.8 * drive + 0.3 * float(noise[2]),
        contrast=-0.03 * t,
        hippocampus_loss=ill * max(0.0, 0.45 + 0.1 * float(noise[4])),
    )


def _again(draw: np.random.Generator, values: Array) -> Array:
    fresh = np.asarray(draw.standard_normal(values.shape))
    return np.asarray(np.sqrt(SAME_PERSON) * values + np.sqrt(1 - SAME_PERSON) * fresh)
