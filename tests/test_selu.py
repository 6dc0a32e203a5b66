"""SELU: Eq. 2 as a loop, torch's function, the mapping of moments by integrals, self-normalisation, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments._activations import activations_by_depth, moments_by_depth
from dmbench.experiments._selu_pictures import histograms_through_depth, moments_through_depth
from dmbench.experiments.selu import DROPOUT
from dmbench.harness.errors import ContractError
from dmbench.layers.selu import ALPHA, LAMBDA, SELU, AlphaDropout, alpha_dropout, constants, moments, selu
from tests import activations
from tests.activations import noise

few = settings(deadline=None, max_examples=15, derandomize=True)


class Drawn:
    """A context with files, as the report gives one."""

    device, seed = torch.device("cpu"), None

    def __init__(self, files=None):
        self.files = files

    def note(self, **settings):
        pass


@few
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=20))
def test_it_is_equation_2_value_by_value(values):
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    expected = [scale * x if x > 0 else scale * alpha * (math.exp(x) - 1) for x in values]
    x = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(selu(x), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-14 * 30)


@pytest.mark.parametrize("dtype", activations.TOLERANCES)
def test_torchs_function_agrees_in_every_shape_and_dtype(dtype):
    activations.agrees(selu, torch.nn.functional.selu, dtype)


def test_zero_large_values_infinity_and_nan_give_what_torch_gives():
    activations.agrees_at_the_edges(selu, torch.nn.functional.selu)


def test_half_types_are_computed_in_float32_and_rounded_once():
    activations.rounds_once(selu)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients_of_first_and_second_order_and_in_forward_mode():
    activations.has_gradients(selu)


def test_in_place_gives_the_same_and_the_same_gradient():
    activations.works_in_place(selu)


def test_compile_and_func_give_the_same():
    activations.compiles_and_transforms(selu)


def test_whole_numbers_are_refused():
    activations.refuses_whole_numbers(selu)


def test_the_layer_is_torchs_also_in_place():
    x = noise(4, 3)
    for inplace in (False, True):
        expected = torch.nn.SELU()(x.clone())
        torch.testing.assert_close(SELU(inplace)(x), expected, rtol=0, atol=1e-15)
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("variance", [0.25, 1.0, 2.0, 5.0])
def test_the_constants_make_any_variance_a_fixed_point(variance):
    nu = torch.tensor(variance, dtype=torch.float64)
    found = moments(0 * nu, nu, 0.0, 1.0, *constants(variance))
    torch.testing.assert_close(torch.stack(found), torch.stack([0 * nu, nu]), rtol=0, atol=1e-14 * (1 + variance))
    assert constants() == (ALPHA, LAMBDA)


@few
@given(
    st.floats(-1, 1),
    st.floats(0.05, 4),
    st.floats(-0.5, 0.5),
    st.floats(0.5, 1.5),
    st.floats(0.1, 2),
    st.floats(0.5, 2),
)
def test_the_mapping_is_the_integrals_of_equation_3(mu, nu, omega, tau, alpha, scale):
    z = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
    weight = torch.exp(-z.square() / 2)
    y = mu * omega + math.sqrt(nu * tau) * z
    y = torch.where(y > 0, scale * y, scale * alpha * torch.expm1(y))
    mean = (weight * y).sum() / weight.sum()
    variance = (weight * y.square()).sum() / weight.sum() - mean.square()
    given = (torch.tensor(value, dtype=torch.float64) for value in (mu, nu, omega, tau))
    torch.testing.assert_close(
        torch.stack(moments(*given, alpha, scale)), torch.stack([mean, variance]), rtol=0, atol=2e-8
    )


def test_the_mapping_is_what_a_wide_layer_does_to_noise():
    torch.manual_seed(0)
    x = 0.3 + 1.2 * torch.randn(4000, 400, dtype=torch.float64)
    weight = torch.randn(400, 400, dtype=torch.float64) / 20
    weight += 0.1 / 400 - weight.mean(0)  # each unit's omega is 0.1
    y = selu(x @ weight)
    mean, variance = moments(torch.tensor(0.3), torch.tensor(1.44), 0.1, 1.0)
    assert y.mean().item() == pytest.approx(mean.item(), abs=0.02)
    assert y.var().item() == pytest.approx(variance.item(), abs=0.03)


def test_depth_keeps_selus_variance_and_halves_relus_second_moment_each_layer():
    torch.manual_seed(1)
    _, variances = moments_by_depth(activations_by_depth(Drawn(), selu, "normal"))
    assert all(0.9 < variance < 1.1 for variance in variances)
    found = activations_by_depth(Drawn(), torch.relu, "normal")
    assert math.log2(found[-1].square().mean().item()) / 32 == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_variance_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match=f"need a variance above 0: {bad}"):
        constants(bad)


def test_torchs_function_meets_the_contract_and_a_mapping_of_one_value_does_not():
    from dmbench.experiments.selu import MAPPING

    assert check("selu", numbers="*_used", selu="torch.nn.functional:selu")
    with pytest.raises(ContractError, match="returned shapes"):
        MAPPING.check(lambda mu, nu, omega, tau: (mu.sum(), nu))


@pytest.mark.data
def test_the_pictures_show_four_units_by_depth(artifact):
    ctx = Drawn(lambda name: artifact(name))
    _, right = moments_through_depth(ctx).axes
    assert [line.get_label() for line in right.lines] == ["SELU", "ELU", "tanh", "ReLU"]
    selu_variance, *others = (line.get_ydata()[-1] for line in right.lines)
    assert 0.8 < selu_variance < 1.5
    assert max(others) < 0.1
    assert len(histograms_through_depth(ctx).axes) == 16


@few
@given(st.floats(0.01, 0.9), st.integers(0, 9))
def test_alpha_dropout_is_section_3_value_by_value_by_the_mask_that_torch_draws(p, seed):
    x, low, q = noise(6, 5, seed=seed), -1.7580993408473766, 1 - p
    torch.manual_seed(seed)
    kept = torch.empty(6, 5, dtype=torch.float64).bernoulli_(q)
    a = (q + low**2 * q * (1 - q)) ** -0.5
    b = -a * (1 - q) * low
    expected = [a * (v if d else low) + b for v, d in zip(x.flatten().tolist(), kept.flatten().tolist(), strict=True)]
    for function in (alpha_dropout, torch.nn.functional.alpha_dropout):
        torch.manual_seed(seed)
        assert function(x, p, True).flatten().tolist() == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5])
def test_alpha_dropout_keeps_mean_0_and_variance_1_of_a_selu_layer_and_plain_dropout_does_not(p):
    torch.manual_seed(0)
    x = selu(torch.randn(400_000, dtype=torch.float64))
    y = alpha_dropout(x, p, True)
    assert (y.mean().item(), y.var().item()) == pytest.approx((0, 1), abs=0.01)
    assert torch.nn.functional.dropout(x, p).var().item() > 1 + 0.9 * p


def test_alpha_dropout_passes_the_gradient_where_values_are_kept():
    x = noise(8, 7).requires_grad_()
    generator = torch.Generator()
    y = alpha_dropout(x, 0.3, True, generator=generator.manual_seed(1))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    a = (0.7 + 1.7580993408473766**2 * 0.7 * 0.3) ** -0.5
    assert gradient.unique().tolist() == pytest.approx([0, a], abs=1e-15)

    def again(x):
        return alpha_dropout(x, 0.3, True, generator=generator.manual_seed(1))

    assert torch.autograd.gradcheck(again, (x,))


def test_alpha_dropout_does_nothing_at_test_time_or_with_probability_0():
    x, layer = noise(3, 4), AlphaDropout(0.4)
    assert layer.eval()(x) is x
    assert alpha_dropout(x, 0.0, True) is x
    torch.manual_seed(2)
    expected = layer.train()(x)
    torch.manual_seed(2)
    torch.testing.assert_close(alpha_dropout(x, 0.4, True), expected, rtol=0, atol=0)
    assert repr(layer) == "AlphaDropout(p=0.4)"


@pytest.mark.parametrize("p", [1.0, -0.1, math.nan])
def test_alpha_dropout_refuses_a_probability_out_of_range_and_whole_numbers(p):
    for call in (lambda: AlphaDropout(p), lambda: alpha_dropout(torch.zeros(2), p, True)):
        with pytest.raises(ValueError, match=f"need a probability of dropping p, 0 <= p < 1: {p}"):
            call()
    with pytest.raises(TypeError, match="need a floating-point input, convert first: torch.int64"):
        alpha_dropout(torch.ones(2, dtype=torch.int64), 0.1, True)


def test_dropouts_that_drop_to_zero_are_measured_and_those_to_several_values_refused():
    assert check("selu", numbers="dropout_*", alpha_dropout="torch.nn.functional:alpha_dropout")
    with pytest.raises(ContractError, match="changes x at test time"):
        DROPOUT.check(lambda x, p, training: x / 2)
