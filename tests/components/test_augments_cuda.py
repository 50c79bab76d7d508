"""Augmentation on a GPU; `make test-gpu` runs it where there is one."""

import pytest
import torch
from test_augments import STRONG

from tlimb.components.draws import Draws

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.mark.parametrize("one", STRONG, ids=lambda one: type(one).__name__)
def test_augmentation_on_a_gpu_is_that_on_the_cpu(one):
    torch.manual_seed(0)
    inputs, seeds = torch.randn(4, 1, 24, 20, 22), torch.tensor([3, -9, 2**61, 12])
    cpu = one.apply(inputs, Draws(seeds, 2, 2))
    gpu = one.apply(inputs.cuda(), Draws(seeds.cuda(), 2, 2))
    assert gpu.is_cuda
    assert torch.allclose(gpu.cpu(), cpu, atol=2e-4)


def test_random_numbers_on_a_gpu_are_those_of_the_cpu_to_the_bit():
    seeds = torch.tensor([3, -9, 2**61, 12])
    assert torch.equal(Draws(seeds.cuda(), 2).uniform(1, 1000).cpu(), Draws(seeds, 2).uniform(1, 1000))
