"""small_random: the draws themselves, torch's function, the lectures' collapse, errors."""

import math

import pytest
import torch

from dmbench import check
from dmbench.init.small_random import small_random_


@pytest.mark.parametrize("std", [0.01, 1.0, 0.0])
@pytest.mark.parametrize("shape", [(7,), (30, 20), (4, 3, 2, 2)])
def test_it_is_the_normal_draws_times_the_deviation(shape, std):
    weight = torch.full(shape, 5.0, dtype=torch.float64)
    assert small_random_(weight, std, torch.Generator().manual_seed(3)) is weight
    draws = torch.empty(shape, dtype=torch.float64).normal_(generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(weight, std * draws, rtol=0, atol=1e-16)


def test_torchs_function_draws_the_same():
    weights = [torch.zeros(30, 20) for _ in range(2)]
    torch.manual_seed(1)
    small_random_(weights[0])
    torch.manual_seed(1)
    torch.nn.init.normal_(weights[1], std=0.01)
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_a_parameter_is_filled_without_a_graph():
    weight = torch.nn.Parameter(torch.zeros(30, 20))
    small_random_(weight)
    assert weight.is_leaf
    assert weight.abs().max() > 0


def test_what_does_not_fit_is_refused_in_one_line():
    for bad in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"std must be 0 or more, and finite: {bad}"):
            small_random_(torch.zeros(2, 2), bad)
    with pytest.raises(TypeError, match=r"need a floating-point weight: torch.int64"):
        small_random_(torch.zeros(2, 2, dtype=torch.int64))


def test_torchs_function_reproduces_the_numbers():
    assert check("small_random", numbers="d*", small_random="dmbench.peers.small_random:torch_nn_init")
