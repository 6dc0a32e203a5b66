"""Fractional max pooling: sequences and regions as loops, torch's windows by its random samples, limits, odd sizes."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments.fractional_max_pool2d import REGIONS, SEQUENCE
from dmbench.harness.errors import ContractError
from dmbench.layers.fractional_max_pool2d import (
    FractionalMaxPool2d,
    Regions,
    fractional_max_pool2d,
    region_max_pool2d,
    window_max_pool2d,
)
from dmbench.layers.kernels.fractional_regions import pseudorandom_sequence, random_sequence
from tests.activations import noise

few = settings(deadline=None, max_examples=30, derandomize=True)
BOTH = pytest.mark.parametrize("overlapping", [False, True])


@st.composite
def sides(draw, largest=30):
    out = draw(st.integers(1, largest // 2))
    return draw(st.integers(out, 2 * out)), out


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@few
@given(sides(), st.fractions(0, 1, max_denominator=1000))
def test_pseudorandom_sequences_are_the_formula_in_exact_arithmetic(both, u):
    side, out = both
    u = Fraction(float(u))  # what a float can hold
    alpha = Fraction(side, out)
    expected = [math.ceil(alpha * (i + u)) - math.ceil(alpha * u) for i in range(out + 1)]
    assert pseudorandom_sequence(side, out, float(u)).tolist() == expected


@few
@given(sides(), st.integers(0, 100))
def test_random_sequences_are_permutations_of_ones_and_twos_from_0_to_the_side(both, seed):
    side, out = both
    found = random_sequence(side, out, seeded(seed))
    assert sorted(found.diff().tolist()) == [1] * (2 * out - side) + [2] * (side - out)
    assert (found[0].item(), found[-1].item()) == (0, side)


def test_random_sequences_take_every_order_as_often():
    generator, counts = seeded(), {}
    for _ in range(1200):
        order = tuple(random_sequence(6, 4, generator).diff().tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert all(140 < count < 260 for count in counts.values())  # 200 each, and its deviation is 13


@few
@given(sides(9), sides(9), st.booleans(), st.integers(0, 9))
def test_regions_are_equation_1_as_loops(rows, columns, overlapping, seed):
    a, b = (random_sequence(*both, seeded(seed)) for both in (rows, columns))
    x = noise(2, 2, rows[0], columns[0]) - 3
    found = region_max_pool2d(x, Regions(a, b, overlapping))
    assert found.shape == (2, 2, rows[1], columns[1])
    for n in range(2):
        for c in range(2):
            for i in range(1, len(a)):
                for j in range(1, len(b)):
                    last = (a[i] if overlapping else a[i] - 1, b[j] if overlapping else b[j] - 1)
                    region = x[n, c, a[i - 1] : last[0] + 1, b[j - 1] : last[1] + 1]
                    assert found[n, c, i - 1, j - 1] == region.max()


@few
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.integers(0, 5), st.integers(0, 5))
def test_torchs_windows_agree_for_its_random_samples_also_in_the_gradient(fh, fw, oh, ow, more, wider):
    x = noise(2, 3, fh + oh - 1 + more, fw + ow - 1 + wider).requires_grad_()
    samples = torch.rand(2, 3, 2, generator=seeded(fh + ow), dtype=torch.float64)
    pools = (window_max_pool2d, torch.nn.functional.fractional_max_pool2d)
    mine, his = (pool(x, (fh, fw), (oh, ow), _random_samples=samples) for pool in pools)
    torch.testing.assert_close(mine, his, rtol=0, atol=0)
    gradients = [torch.autograd.grad(y, x, noise(*his.shape))[0] for y in (mine, his)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-14)


def test_a_ratio_gives_torchs_size_and_samples_of_its_own_are_drawn():
    x = noise(1, 2, 13, 10)
    assert window_max_pool2d(x, 2, output_ratio=(0.7, 0.5)).shape == (1, 2, 9, 5)
    assert torch.nn.functional.fractional_max_pool2d(x, 2, output_ratio=(0.7, 0.5)).shape == (1, 2, 9, 5)


@BOTH
@pytest.mark.parametrize("kind", ["random", "pseudorandom"])
def test_a_call_draws_its_regions_and_the_same_generator_draws_the_same(kind, overlapping):
    x = noise(2, 3, 25, 19)
    pools = [
        fractional_max_pool2d(x, (18, 13), kind=kind, overlapping=overlapping, generator=seeded(seed))
        for seed in (0, 0, 1)
    ]
    assert pools[0].shape == (2, 3, 18, 13)
    assert torch.equal(pools[0], pools[1])
    assert not torch.equal(pools[0], pools[2])


@BOTH
@pytest.mark.parametrize("side", [7, 8, 9, 25])
def test_odd_sizes_shrink_by_every_ratio_and_disjoint_regions_see_all_of_them(side, overlapping):
    for alpha in (1.0, 1.26, 2**0.5, 1.75, 2.0):
        layer = FractionalMaxPool2d(alpha=alpha, overlapping=overlapping)
        x = torch.zeros(1, 1, side, side)
        x[0, 0, -1, -1] = 1  # the last pixel is in the last region
        y = layer(x)
        assert abs(y.shape[2] - side / alpha) <= 0.5
        assert y[0, 0, -1, -1] == 1


def test_a_ratio_of_1_changes_nothing_and_of_2_is_max_pooling_where_regions_are_disjoint():
    x = noise(2, 3, 8, 6)
    torch.testing.assert_close(fractional_max_pool2d(x, alpha=1, overlapping=False), x, rtol=0, atol=0)
    halved = fractional_max_pool2d(x, alpha=2, overlapping=False)
    torch.testing.assert_close(halved, torch.nn.functional.max_pool2d(x, 2), rtol=0, atol=0)


def test_overlapping_steps_of_one_are_2_x_2_windows_at_stride_1_and_end_one_short_of_the_side_too():
    x = noise(1, 2, 5, 6)
    found = region_max_pool2d(x, Regions(torch.arange(5), torch.arange(6), True))
    torch.testing.assert_close(found, torch.nn.functional.max_pool2d(x, 2, 1), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients_also_in_forward_mode():
    x, cuts = noise(2, 2, 5, 5).requires_grad_(), torch.tensor([0, 2, 3, 5])
    for overlapping in (False, True):
        regions = Regions(cuts, cuts, overlapping)
        pool = lambda x, regions=regions: region_max_pool2d(x, regions)  # noqa: E731
        assert torch.autograd.gradcheck(pool, (x,), check_forward_ad=True)


def test_the_gradient_of_equals_goes_to_the_first():
    x = torch.zeros(1, 1, 3, 3, requires_grad=True)
    region_max_pool2d(x, Regions(torch.tensor([0, 3]), torch.tensor([0, 3]), False)).sum().backward()
    assert x.grad.flatten().tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_kept_and_nan_spreads_to_its_region_alone(dtype):
    x = noise(1, 1, 6, 6).to(dtype)
    x[0, 0, 0, 0] = math.nan
    y = fractional_max_pool2d(x, 3, overlapping=False)
    assert y.dtype == dtype
    assert y.isnan().sum() == 1


def test_an_empty_batch_gives_an_empty_result():
    assert fractional_max_pool2d(torch.zeros(0, 2, 7, 7), 5).shape == (0, 2, 5, 5)
    assert window_max_pool2d(torch.zeros(0, 2, 7, 7), 2, 5).shape == (0, 2, 5, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_size": 3}, "need an output of 4 to 7 for a side of 7: 3"),
        ({"output_size": (5, 8)}, "need an output of 4 to 7 for a side of 7: 8"),
        ({"output_size": 0}, "must be one or two whole numbers of at least 1"),
        ({"alpha": 2.5}, "need alpha from 1 to 2: 2.5"),
        ({"alpha": math.nan}, "need alpha from 1 to 2: nan"),
        ({}, "need output_size or alpha, one of them: None, None"),
        ({"output_size": 5, "alpha": 1.4}, "one of them: 5, 1.4"),
        ({"output_size": 5, "kind": "regular"}, "need kind random or pseudorandom: regular"),
    ],
)
def test_sizes_and_ratios_that_do_not_fit_are_refused_with_the_value(options, message):
    with pytest.raises(ValueError, match=message):
        fractional_max_pool2d(torch.zeros(1, 1, 7, 7), **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: window_max_pool2d(x, 3, 6), "6 windows of 3 need a side of at least 8: 7"),
        (lambda x: window_max_pool2d(x, 2, output_ratio=1.0), "need output_ratio between 0 and 1: 1.0"),
        (lambda x: window_max_pool2d(x, 2), "need x .*, and output_size or output_ratio"),
        (lambda x: region_max_pool2d(x, Regions(torch.tensor([0, 5]), torch.arange(8), True)), "from 0 to 7 or 6"),
        (lambda x: region_max_pool2d(x, Regions(torch.tensor([0, 4, 4, 7]), torch.arange(8), True)), "above 0"),
        (lambda x: pseudorandom_sequence(7, 5, 1.5), "need u from 0 to 1: 1.5"),
        (lambda x: fractional_max_pool2d(x[0], 5), r"need x \(N, C, H, W\): \(1, 7, 7\)"),
        (lambda x: region_max_pool2d(x[0], Regions(torch.arange(8), torch.arange(8), True)), r"need x \(N, C, H, W\)"),
    ],
)
def test_windows_and_sequences_that_do_not_fit_are_refused_with_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(1, 1, 7, 7))


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="need a floating-point dtype, convert first: torch.int64"):
        fractional_max_pool2d(torch.ones(1, 1, 4, 4, dtype=torch.int64), 3)


def test_torchs_function_meets_the_contract_and_what_ends_elsewhere_does_not():
    torchs = "torch.nn.functional:fractional_max_pool2d"
    assert check("fractional_max_pool2d", numbers="difference_float64", window_max_pool2d=torchs)
    with pytest.raises(ContractError, match="not 6 whole numbers"):
        SEQUENCE.check(lambda side, out, u: torch.arange(out + 1))
    with pytest.raises(ContractError, match=r"not shape \(1, 1, 2, 2\)"):
        REGIONS.check(lambda x, regions: x)
