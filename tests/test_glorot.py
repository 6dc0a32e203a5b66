"""glorot: fans counted by following values, Eqs. 1, 12 and 16 as printed, torch's functions, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv1d, conv2d, linear

from dmbench import check
from dmbench.init import glorot
from dmbench.init.glorot import glorot_normal_, glorot_uniform_, standard_uniform_
from dmbench.init.parts.fans import fans

few = settings(deadline=None, max_examples=25, derandomize=True)
sides = st.integers(1, 5)
CALLS = {2: linear, 3: conv1d, 4: conv2d}


def counted(shape):
    """How many inputs reach a unit, and how many units an input reaches, away from borders."""
    weight = torch.ones(shape, dtype=torch.float64)
    size = [2 * k - 1 for k in shape[2:]]
    x = torch.ones(1, shape[1], *size, dtype=torch.float64, requires_grad=True)
    y = CALLS[len(shape)](x, weight)
    (reached,) = torch.autograd.grad(y.sum(), x)
    middle = tuple(side // 2 for side in size)
    return int(y.flatten()[0]), int(reached[(0, 0, *middle)])


@few
@given(st.lists(sides, min_size=2, max_size=4))
def test_fans_are_what_a_unit_reads_and_what_an_input_feeds(shape):
    assert fans(torch.empty(shape)) == counted(shape)


def test_fans_of_groups_are_those_of_one_group_for_inputs():
    conv = torch.nn.Conv2d(8, 6, 3, groups=2)
    assert fans(conv.weight) == (4 * 9, 6 * 9)


@few
@given(st.lists(sides, min_size=2, max_size=4), st.floats(0, 3))
def test_uniform_is_equation_16_and_normal_equation_12(shape, gain):
    n_in, n_out = counted(shape)
    made = {}
    for fill in (glorot_uniform_, glorot_normal_):
        made[fill] = torch.empty(shape, dtype=torch.float64)
        fill(made[fill], gain, torch.Generator().manual_seed(5))
    uniform, normal = (torch.empty(shape, dtype=torch.float64) for _ in range(2))
    uniform.uniform_(-1, 1, generator=torch.Generator().manual_seed(5))
    normal.normal_(generator=torch.Generator().manual_seed(5))
    bound = gain * math.sqrt(6) / math.sqrt(n_in + n_out)
    torch.testing.assert_close(made[glorot_uniform_], bound * uniform, rtol=0, atol=1e-14)
    exact = gain * math.sqrt(2 / (n_in + n_out)) * normal
    torch.testing.assert_close(made[glorot_normal_], exact, rtol=0, atol=1e-14)


def test_the_standard_one_is_equation_1():
    weight, draws = (torch.empty(40, 25, dtype=torch.float64) for _ in range(2))
    standard_uniform_(weight, torch.Generator().manual_seed(5))
    draws.uniform_(-1, 1, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(weight, draws / 5, rtol=0, atol=1e-15)


@pytest.mark.parametrize("gain", [1.0, 5 / 3])
@pytest.mark.parametrize("shape", [(30, 20), (6, 4, 3, 3)])
def test_torchs_functions_draw_the_same(shape, gain):
    for ours, theirs in (
        (glorot_uniform_, torch.nn.init.xavier_uniform_),
        (glorot_normal_, torch.nn.init.xavier_normal_),
    ):
        weights = [torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for _ in range(2)]
        for fill, weight in zip((ours, theirs), weights, strict=True):
            torch.manual_seed(1)
            fill(weight, gain)
        torch.testing.assert_close(*weights, rtol=0, atol=1e-15)


def test_a_square_layer_keeps_both_variances_and_the_mean_of_the_fans_counts_else():
    assert glorot.std(torch.empty(500, 500)) ** 2 * 500 == pytest.approx(1, abs=1e-12)
    assert glorot.std(torch.empty(10, 30)) == glorot.std(torch.empty(30, 10)) == pytest.approx(math.sqrt(1 / 20))


def test_what_does_not_fit_is_refused_in_one_line():
    for shape in ((3,), (), (0, 3), (3, 4, 0)):
        with pytest.raises(ValueError, match=r"need a weight \(outputs, inputs, ...\) that is not empty: \("):
            glorot_uniform_(torch.empty(shape))
    for fill in (glorot_uniform_, glorot_normal_):
        with pytest.raises(ValueError, match=r"must be 0 or more, and finite: "):
            fill(torch.empty(2, 2), -1.0)
        with pytest.raises(ValueError, match=r"must be 0 or more, and finite: nan"):
            fill(torch.empty(2, 2), math.nan)
    with pytest.raises(TypeError, match=r"need a floating-point weight: torch.int64"):
        standard_uniform_(torch.zeros(2, 2, dtype=torch.int64))


def test_torchs_functions_reproduce_the_numbers():
    peers = {f"glorot_{name}": f"torch.nn.init:xavier_{name}_" for name in ("uniform", "normal")}
    for numbers in ("*_conv", "difference_torch"):
        assert check("glorot", numbers=numbers, **peers)
