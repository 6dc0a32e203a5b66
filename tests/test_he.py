"""he: Eqs. 10, 14 and 15 as printed, torch's function, signals through a PReLU, its training's bookkeeping, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import CheckFailed, check
from dmbench.experiments import _he_training as training
from dmbench.experiments._digits_training import Digits
from dmbench.init.he import he_normal_, he_uniform_, std

few = settings(deadline=None, max_examples=25, derandomize=True)
sides = st.integers(1, 5)


@few
@given(st.lists(sides, min_size=2, max_size=4), st.floats(-2, 2), st.sampled_from(["fan_in", "fan_out"]))
def test_it_is_the_draws_times_the_root_of_two_over_one_plus_a_squared_times_n(shape, a, mode):
    n = math.prod(shape[2:]) * (shape[1] if mode == "fan_in" else shape[0])
    exact = math.sqrt(2 / ((1 + a**2) * n))
    made, draws = (torch.empty(shape, dtype=torch.float64) for _ in range(2))
    he_normal_(made, a, mode, torch.Generator().manual_seed(5))
    draws.normal_(generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(made, exact * draws, rtol=0, atol=1e-14)
    he_uniform_(made, a, mode, torch.Generator().manual_seed(5))
    draws.uniform_(-1, 1, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(made, math.sqrt(3) * exact * draws, rtol=0, atol=1e-14)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("a", [0.0, 0.25, 1.0])
def test_torchs_function_draws_the_same(a, mode):
    weights = [torch.nn.Parameter(torch.zeros(6, 4, 3, 3, dtype=torch.float64)) for _ in range(2)]
    for fill, weight in zip((he_normal_, torch.nn.init.kaiming_normal_), weights, strict=True):
        torch.manual_seed(1)
        fill(weight, a, mode)
    torch.testing.assert_close(*weights, rtol=0, atol=1e-15)


@pytest.mark.parametrize("a", [0.0, 0.25, 0.7])
def test_the_second_moment_of_a_prelu_is_what_the_factor_undoes(a):
    """E[f(z)^2] = (1 + a^2) / 2 for z ~ N(0, 1), by the sum over the distribution's own percentiles."""
    z = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(1_000_000, dtype=torch.float64) + 0.5) / 1_000_000)
    moment = float(torch.where(z > 0, z, a * z).square().mean())
    assert std(torch.empty(3, 100), a) ** 2 * 100 * moment == pytest.approx(1, abs=1e-4)


def test_papers_deviations_for_vggs_filters():
    found = [round(std(torch.empty(d, 64, 3, 3), mode="fan_out"), 3) for d in (64, 128, 256, 512)]
    assert found == [0.059, 0.042, 0.029, 0.021]


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match="mode must be one of fan_in, fan_out: backward"):
        he_normal_(torch.empty(2, 2), mode="backward")
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"the slope a must be finite: {bad}"):
            he_uniform_(torch.empty(2, 2), bad)
    with pytest.raises(ValueError, match=r"need a weight \(outputs, inputs, ...\) that is not empty: \(3,\)"):
        he_normal_(torch.empty(3))
    with pytest.raises(TypeError, match=r"need a floating-point weight: torch.int64"):
        he_normal_(torch.zeros(2, 2, dtype=torch.int64))


def test_torchs_function_reproduces_the_numbers():
    for numbers in ("vgg_std", "di*"):
        assert check("he", numbers=numbers, he_normal="torch.nn.init:kaiming_normal_")


def test_a_rule_that_forgets_the_slope_is_below():
    with pytest.raises(CheckFailed, match="he/forward_prelu (below|inconclusive)"):
        check(
            "he", numbers="forward_prelu", seeds=2, he_normal=lambda w, a=0.0, mode="fan_in": he_normal_(w, 0.0, mode)
        )


def test_deep_nets_learn_as_if_they_were_alone():
    def fill(weight):
        he_normal_(weight, generator=torch.Generator().manual_seed(weight.numel()))

    pair, alone = training.Deep(4, {"he": fill, "glorot": fill}), training.Deep(4, {"he": fill})
    x, labels = torch.randn(5, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(5)
    pair.loss(pair, x, labels).backward()
    alone.loss(alone, x, labels).backward()
    for name in ("he", "glorot"):
        for ours, single in zip(pair.nets[name].parameters(), alone.nets["he"].parameters(), strict=True):
            torch.testing.assert_close(ours.grad, single.grad, rtol=0, atol=0)
    assert sum(isinstance(layer, torch.nn.Linear) for layer in alone.nets["he"]) == 4
    with torch.no_grad():
        point = pair.measure(Digits(x, labels))
    assert set(point) == {"he_error", "glorot_error", "he_loss", "glorot_loss"}
    assert pair.errors[0].tolist() == pytest.approx([point["he_error"], point["glorot_error"]])


@pytest.mark.parametrize(
    ("errors", "expected"),
    [([[90, 90], [40, 90], [30, 30]], 50), ([[90, 90], [40, 90], [50, 90]], 100), ([[90, 40], [90, 30]], -100)],
)
def test_earlier_counts_updates_from_one_nets_first_success_to_the_others(errors, expected):
    assert training.earlier(torch.tensor(errors)) == expected
