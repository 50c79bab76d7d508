"""Random changes of batches: closed forms, identity at zero strength, and one sample's change is its own."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from tlimb.components import discovery
from tlimb.components.augments.affine import Affine, rotations
from tlimb.components.augments.bias_field import BiasField
from tlimb.components.augments.blur import Blur
from tlimb.components.augments.cutout import Cutout
from tlimb.components.augments.elastic import Elastic
from tlimb.components.augments.flip import Flip
from tlimb.components.augments.gamma import Gamma
from tlimb.components.augments.ghosting import Ghosting
from tlimb.components.augments.noise import Noise
from tlimb.components.data.bio_image import BioImage
from tlimb.components.data.slices_2d import Slices2D
from tlimb.components.draws import Draws, mix
from tlimb.components.sampling import centred, read_at

SEEDS = torch.tensor([5, -7, 2**62, 0])
ZERO = [
    Flip(p=0.0),
    Affine(),
    Elastic(displacement=0.0),
    Gamma(log_range=0.0),
    BiasField(strength=0.0),
    Noise(sd=0.0),
    Blur(sigma=0.0),
    Ghosting(strength=0.0),
    Cutout(size=0.0),
]
STRONG = [
    Flip(p=1.0),
    Affine(rotate_deg=20, scale=0.1, shift=2),
    Elastic(displacement=2.0),
    Gamma(log_range=0.5),
    BiasField(strength=0.5),
    Noise(sd=0.2),
    Blur(sigma=2.0),
    Ghosting(strength=0.8),
    Cutout(size=0.4),
]


def images(shape=(12, 10, 8), channels=1, batch=4):
    torch.manual_seed(2)
    return torch.randn(batch, channels, *shape)


def draws(seeds=SEEDS, step=0, lateral=2):
    return Draws(seeds, step, lateral)


def ids(one):
    return type(one).__name__.lower()


def test_the_mixing_function_is_splitmix64():
    # The first outputs of SplitMix64 from the state 0, and from 1234567, by its authors' definition.
    def reference(state, count):
        found = []
        for _ in range(count):
            state = (state + 0x9E3779B97F4A7C15) % 2**64
            z = state
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
            found.append(z ^ (z >> 31))
        return found

    assert reference(0, 1) == [0xE220A8397B1DCDAF]
    states = [(1234567 + (n + 1) * 0x9E3779B97F4A7C15) % 2**64 for n in range(3)]
    signed = torch.tensor([s - 2**64 if s >= 2**63 else s for s in states])
    assert [int(v) % 2**64 for v in mix(signed)] == reference(1234567, 3)


def test_draws_are_uniform_and_normal_and_independent_of_one_another():
    seeds = torch.arange(200)
    uniform, normal = draws(seeds).uniform(1, 500).flatten(), draws(seeds).normal(2, 500).flatten()
    assert stats.kstest(uniform.numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(normal.numpy(), "norm").pvalue > 1e-3
    others = [draws(seeds).uniform(3, 500), draws(seeds, step=1).uniform(1, 500), draws(seeds + 1).uniform(1, 500)]
    assert all(abs(np.corrcoef(uniform, other.flatten())[0, 1]) < 0.02 for other in others)
    neighbours = draws(seeds).uniform(1, 500)
    assert abs(np.corrcoef(neighbours[:, :-1].flatten(), neighbours[:, 1:].flatten())[0, 1]) < 0.02


@pytest.mark.parametrize("one", ZERO, ids=ids)
def test_at_zero_strength_nothing_changes_to_the_bit(one):
    inputs = images()
    assert torch.equal(one.apply(inputs, draws()), inputs)


def test_each_augmentation_is_held_to_zero_strength_and_to_a_strong_one():
    own = {type(one).__module__.rpartition(".")[2] for one in ZERO}
    assert own == {type(one).__module__.rpartition(".")[2] for one in STRONG} == set(discovery.names("augment"))


@pytest.mark.parametrize("one", STRONG, ids=ids)
@pytest.mark.parametrize("shape", [(12, 10, 8), (12, 10)])
def test_a_sample_is_changed_alike_in_any_batch_and_place(one, shape):
    inputs = images(shape, channels=2)
    whole = one.apply(inputs, draws())
    assert not torch.allclose(whole, inputs, atol=1e-2)
    turned = one.apply(inputs.flip(0), draws(SEEDS.flip(0))).flip(0)
    single = one.apply(inputs[2:3], draws(SEEDS[2:3]))
    assert torch.allclose(turned, whole, atol=1e-6)
    assert torch.allclose(single[0], whole[2], atol=1e-6)


@pytest.mark.parametrize("one", STRONG, ids=ids)
def test_with_a_probability_some_samples_stay_as_they_are_to_the_bit(one):
    inputs, seeds = images(batch=40), torch.arange(40)
    one = type(one)(**{**{k: v for k, v in vars(one).items() if not k.startswith("_")}, "p": 0.5})
    changed = one.apply(inputs, draws(seeds))
    same = [torch.equal(before, after) for before, after in zip(inputs, changed, strict=True)]
    assert 8 < sum(same) < 32


@pytest.mark.parametrize("shape", [(9, 9, 9), (9, 9)])
def test_a_quarter_turn_is_exact_and_about_the_centre(shape):
    inputs = images(shape, batch=1)
    matrix = rotations(torch.tensor([[math.pi / 2, 0.0, 0.0]]), len(shape))
    positions = torch.einsum("bij,b...j->b...i", matrix, centred(inputs))
    assert torch.allclose(read_at(inputs, positions), torch.rot90(inputs, -1, (2, 3)), atol=1e-4)


def test_reading_between_voxels_is_scipys():
    inputs = images((9, 7, 8), batch=1)
    matrix = rotations(torch.tensor([[0.2, -0.1, 0.3]]), 3)
    positions = torch.einsum("bij,b...j->b...i", matrix, centred(inputs))
    corner = (torch.tensor([9.0, 7, 8]) - 1) / 2
    places = (positions[0] + corner).movedim(-1, 0).numpy()
    expected = ndimage.map_coordinates(inputs[0, 0].numpy(), places, order=1, mode="nearest")
    assert np.abs(read_at(inputs, positions)[0, 0].numpy() - expected).max() < 1e-4


def test_angles_sizes_and_moves_stay_within_what_is_asked_for():
    grid = centred(torch.zeros(1, 1, 21, 21))
    ramp = torch.stack([grid[..., 0], grid[..., 1]], 1).repeat(200, 1, 1, 1)
    moved = Affine(shift=3.0).apply(ramp, draws(torch.arange(200)))
    # In the middle, where no border is read, a ramp that moves by d is the ramp less d.
    distance = (ramp - moved)[:, :, 10, 10]
    assert float(distance.abs().max()) <= 3.0 + 1e-4
    assert float(distance.abs().max()) > 2.8
    assert abs(float(distance.mean())) < 0.5


def test_mirroring_is_along_left_and_right_only():
    inputs = images()
    assert torch.equal(Flip(p=1.0).apply(inputs, draws(lateral=2)), inputs.flip(2))
    with pytest.raises(ValueError, match="left and right"):
        Flip().apply(inputs, draws(lateral=None))


@pytest.mark.parametrize(("axis", "lateral"), [("axial", 3), ("coronal", 3)])
def test_slices_mirror_their_columns_and_sagittal_ones_refuse(axis, lateral):
    module = Slices2D(axis=axis, augment=[Flip(p=1.0)])
    inputs = images((6, 5))
    assert torch.equal(module.augment(inputs, SEEDS), inputs.flip(lateral))
    with pytest.raises(ValueError, match="sagittal"):
        Slices2D(axis="sagittal", augment=[Flip()])


def test_noise_has_the_asked_share_of_the_images_spread():
    inputs = 3 * images((16, 16, 16), batch=8) + 7
    added = Noise(sd=0.5).apply(inputs, draws(torch.arange(8))) - inputs
    ratio = added.flatten(1).std(1) / inputs.flatten(1).std(1)
    assert torch.allclose(ratio, torch.full((8,), 0.5), atol=0.03)


def test_gamma_and_bias_keep_the_background_and_gamma_the_largest_intensity():
    inputs = images().clamp(min=0)
    for one in (Gamma(log_range=0.5), BiasField(strength=0.5)):
        changed = one.apply(inputs, draws())
        assert torch.allclose(changed[inputs == 0], torch.zeros(()), atol=1e-6)
        assert (changed >= -1e-6).all()
    changed = Gamma(log_range=0.5).apply(inputs, draws())
    assert torch.allclose(changed.flatten(1).amax(1), inputs.flatten(1).amax(1), atol=1e-5)


def test_blur_is_scipys_gaussian():
    inputs = images((20, 18, 16), batch=1)
    widths = 2.0 * draws(SEEDS[:1]).uniform(1)
    expected = ndimage.gaussian_filter(inputs[0, 0].numpy(), float(widths[0]), mode="nearest", radius=6)
    assert np.abs(Blur(sigma=2.0).apply(inputs, draws(SEEDS[:1]))[0, 0].numpy() - expected).max() < 1e-4


def test_ghosts_stand_at_the_field_of_view_over_their_number_and_the_mean_stays():
    line = torch.zeros(1, 1, 32, 1)
    line[0, 0, 3] = 1.0
    for seed in range(20):
        one = draws(torch.tensor([seed]))
        if float(one.uniform(1)) < 0.5:
            break
    changed = Ghosting(strength=1.0, ghosts=4).apply(line, one)[0, 0, :, 0]
    assert float(changed.sum()) == pytest.approx(1.0, abs=1e-5)
    others = changed.clone()
    others[3] = 0
    # Every fourth line weakened: copies 32 / 4 = 8 voxels apart.
    assert sorted(others.abs().topk(3).indices.tolist()) == [11, 19, 27]


def test_ghosts_weaken_whole_lines_whether_their_number_divides_the_length_or_not():
    for length in (48, 50, 53):
        inputs = images((length, 6))
        changed = Ghosting(strength=1.0, ghosts=4).apply(inputs, draws())
        strengths = draws().uniform(2)
        for before, after, strength, along in zip(inputs, changed, strengths, draws().uniform(1), strict=True):
            if along >= 0.5:  # the other axis
                continue
            left = (torch.fft.fft(after[0], dim=0) / torch.fft.fft(before[0], dim=0)).abs()[:, 0]
            # The fourth line to either side has lost all that it should, the others nothing.
            assert left[[4, length - 4]].tolist() == pytest.approx([1 - float(strength)] * 2, abs=1e-3)
            assert left[[0, 3, 5, length - 3]].tolist() == pytest.approx([1.0] * 4, abs=1e-3)


def test_cutout_blanks_one_box_of_the_asked_size():
    inputs = images((10, 10, 10)) + 10
    changed = Cutout(size=0.5).apply(inputs, draws())
    for before, after in zip(inputs, changed, strict=True):
        gone = (after != before)[0]
        assert (after[0][gone] == before.min()).all()
        edges = [int(gone.any(dim=tuple(d for d in range(3) if d != axis)).sum()) for axis in range(3)]
        assert edges == [5, 5, 5]
        assert 124 <= int(gone.sum()) <= 125


def test_steps_are_applied_in_order_and_are_independent():
    noise = Noise(sd=0.3)
    module = BioImage(spacing_mm=8, crop=[12, 10, 8], augment=[noise, noise])
    inputs = images()
    by_hand = noise.apply(noise.apply(inputs, draws(step=0)), draws(step=1))
    assert torch.equal(module.augment(inputs, SEEDS), by_hand)
    once = noise.apply(inputs, draws(step=0)) - inputs
    again = by_hand - (inputs + once)
    assert abs(np.corrcoef(once.flatten(), again.flatten())[0, 1]) < 0.1
