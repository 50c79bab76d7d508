"""One synthetic brain image from a template and a person's numbers.

A backward warp (head size, individual anatomy, ventricles, shrinkage) moves the tissue maps; grey matter turns
into fluid; a scanner's contrast, shading, blur and noise follow. A person with all effects at zero, seen by a
scanner without any, is the template itself.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from scipy import ndimage

Array = np.ndarray[Any, np.dtype[np.float64]]

DATA = Path(__file__).parent / "data"
START_MM = (-80, -114, -72)
KNOTS = (5, 6, 5)
"""Knots of the smooth fields along each axis."""
VENTRICLE_FADE_MM = 12.0
SURFACE_FADE_MM = 10.0
NOISE_AT_MM = 4
"""Voxel size at which a scanner's noise is stated."""
WHITE = 1000.0
"""Intensity of white matter before a scanner changes it."""


@frozen(eq=False)
class Template:
    """The maps at one voxel size.

    Attributes:
        voxel_mm: edge of a voxel.
        affine: (4, 4), voxel positions to MNI mm, RAS.
        tissues: (3, x, y, z), shares of grey matter, white matter and fluid, 0..1.
        texture: (x, y, z), what the tissues do not explain, in units of white matter.
        hippocampus: (x, y, z), 0..1.
        weights: (3,), intensity of each tissue, in units of white matter.
        ventricle_push: (3, x, y, z), mm of outward motion for one mm of the ventricles' boundary.
        surface_push: (3, x, y, z), mm of inward motion for one mm of the brain's surface.
        grid: (3, x, y, z), voxel positions.
        center: (3,), centre of the brain in voxels.
    """

    voxel_mm: int
    affine: Array
    tissues: Array
    texture: Array
    hippocampus: Array
    weights: Array
    ventricle_push: Array
    surface_push: Array
    grid: Array
    center: Array


@frozen
class Anatomy:
    """What a person's brain is made from.

    Attributes:
        scale: linear size, 1 is the template.
        field: (3, 5, 6, 5), displacements in mm at the knots.
        ventricle_mm: outward motion of the ventricles' boundary.
        cortex_loss: share of the grey matter that has become fluid.
        shrink_mm: inward motion of the surface.
        contrast: change of the difference between white and grey matter, as a share of white matter.
        hippocampus_loss: share of the hippocampi's grey matter that has become fluid.
    """

    scale: float
    field: Array
    ventricle_mm: float
    cortex_loss: float
    shrink_mm: float
    contrast: float
    hippocampus_loss: float


@frozen
class Scanner:
    """How a site's scanner draws a brain.

    Attributes:
        weights: (3,) factors on the intensities of grey matter, white matter and fluid.
        gamma: exponent of the intensities.
        shading: sd of the log of the bias field.
        blur_mm: full width at half maximum.
        noise: sd of the noise in each channel at NOISE_AT_MM, as a share of white matter; larger voxels average it.
        gain: sd of the log of an image's gain.
    """

    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    shading: float = 0.0
    blur_mm: float = 0.0
    noise: float = 0.0
    gain: float = 0.0


@lru_cache(maxsize=2)
def template(voxel_mm: int) -> Template:
    """Read the shipped template of a voxel size.

    Raises:
        ValueError: there is none of that size.
    """
    path = DATA / f"template-{voxel_mm}mm.npz"
    if not path.is_file():
        raise ValueError(f"there is no template with voxels of {voxel_mm} mm (4 and 8 are there)")
    with np.load(path, allow_pickle=False) as held:
        maps = {name: held[name].astype(np.float64) for name in held.files}
    tissues = np.stack([maps["gm"], maps["wm"], maps["csf"]]) / 100.0
    shape = tissues.shape[1:]
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = np.array(START_MM) + (voxel_mm - 1) / 2
    brain = tissues.sum(axis=0) > 0.5
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(np.float64)
    ventricle, surface = maps["ventricle"] / 4.0, maps["surface"] / 4.0
    return Template(
        voxel_mm,
        affine,
        tissues,
        maps["texture"] / 100.0,
        maps["hippocampus"] / 100.0,
        maps["weights"],
        _normal(ventricle) * np.exp(-((ventricle / VENTRICLE_FADE_MM) ** 2)),
        _normal(surface) * np.exp(-((surface / SURFACE_FADE_MM) ** 2)),
        grid,
        np.array([axis[brain].mean() for axis in grid]),
    )


def _normal(distance: Array) -> Array:
    """Give the direction in which a distance grows, length 1."""
    slope = np.stack(np.gradient(ndimage.gaussian_filter(distance, 0.7)))
    length = np.sqrt((slope**2).sum(axis=0))
    return np.asarray(slope / np.maximum(length, 1e-6) * (length > 1e-6))


@lru_cache(maxsize=4)
def _spread(shape: tuple[int, int, int]) -> tuple[Array, ...]:
    """Give for each axis the weights of the knots at each voxel: a cubic B-spline, (voxels, knots)."""
    found = []
    for size, knots in zip(shape, KNOTS, strict=True):
        place = np.arange(size)[:, None] / (size - 1) * (knots - 1) - np.arange(knots)[None, :]
        near = np.abs(place)
        weights = np.where(near < 1, 2 / 3 - near**2 + near**3 / 2, np.where(near < 2, (2 - near) ** 3 / 6, 0.0))
        found.append(weights / weights.sum(axis=1, keepdims=True))
    return tuple(found)


def smooth(knots: Array, shape: tuple[int, int, int]) -> Array:
    """Spread values at the knots over the voxels.

    Args:
        knots: (..., 5, 6, 5).
        shape: of the image.

    Returns:
        (..., x, y, z).
    """
    found = knots
    for axis, weights in enumerate(_spread(shape)):
        # Sums in a fixed order: a BLAS with several threads could add in another.
        place = found.ndim - 3 + axis
        found = np.moveaxis(np.einsum("vk,...k->...v", weights, np.moveaxis(found, place, -1)), -1, place)
    return np.ascontiguousarray(found)


def render(
    base: Template, person: Anatomy, scanner: Scanner, generator: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Draw one image, skull-stripped: 0 outside the brain.

    Args:
        base: the template.
        person: the brain.
        scanner: the site's scanner.
        generator: randomness of this one image (shading, gain, noise).

    Returns:
        (x, y, z) int16; white matter is about 1000.
    """
    tissues, texture, hippocampus = _moved(base, person)
    grey, white, fluid = tissues
    lost = grey * np.clip(person.cortex_loss + person.hippocampus_loss * hippocampus, 0.0, 0.95)
    grey, fluid = grey - lost, fluid + lost
    own = base.weights * np.array(scanner.weights)
    image = grey * (own[0] - person.contrast) + white * own[1] + fluid * own[2] + texture
    inside = np.clip(grey + white + fluid, 0.0, 1.0)
    image = np.maximum(image, 0.0) ** scanner.gamma
    shape = (image.shape[0], image.shape[1], image.shape[2])
    shading = smooth(generator.standard_normal(KNOTS), shape) * scanner.shading
    image *= np.exp(shading + scanner.gain * generator.standard_normal())
    if scanner.blur_mm:
        image = ndimage.gaussian_filter(image, scanner.blur_mm / 2.355 / base.voxel_mm)
    if scanner.noise:
        # Magnitude images have Rician noise: Gudbjartsson and Patz, Magn Reson Med 1995.
        level = scanner.noise * (NOISE_AT_MM / base.voxel_mm) ** 1.5
        noise = generator.standard_normal((2, *shape)) * level
        image = np.sqrt((image + noise[0]) ** 2 + noise[1] ** 2)
    image = image * (inside > 0.5) * WHITE
    return np.clip(np.round(image), 0, 32767).astype(np.int16)


def _moved(base: Template, person: Anatomy) -> tuple[Array, Array, Array]:
    """Give tissues, texture and hippocampi at the places the person's brain has them."""
    shape = (base.grid.shape[1], base.grid.shape[2], base.grid.shape[3])
    center = base.center[:, None, None, None]
    motion = smooth(person.field, shape)
    # Backward: where the ventricles grow outwards, a voxel shows what lies further in.
    motion = motion - person.ventricle_mm * base.ventricle_push - person.shrink_mm * base.surface_push
    source = center + (base.grid - center) / person.scale + motion / base.voxel_mm
    maps = [*base.tissues, base.texture, base.hippocampus]
    moved = [ndimage.map_coordinates(one, source, order=1, mode="constant") for one in maps]
    return np.stack(moved[:3]), moved[3], moved[4]
