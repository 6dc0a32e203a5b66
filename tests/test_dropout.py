"""dropout: the mask by hand, torch's function, weight scaling, norms unit by unit, gradients, limits, errors."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments._dropout_nets import DropoutNet, Recipe
from dmbench.experiments.dropout import ROWS, check_dropout
from dmbench.harness.errors import ContractError
from dmbench.layers.dropout import Dropout, dropout, max_norm_, scale_weight

few = settings(deadline=None, max_examples=20, derandomize=True)
probabilities = st.floats(0, 0.9)
KINDS = pytest.mark.parametrize("inverted", [False, True])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


@KINDS
@few
@given(st.integers(1, 5), st.integers(1, 5), probabilities)
def test_training_keeps_a_value_where_the_bernoulli_draw_is_1_and_scales_it_by_its_kind(inverted, rows, columns, p):
    x = noise(rows, columns)
    y = dropout(x, p, inverted=inverted, generator=seeded(7))
    mask = torch.empty_like(x).bernoulli_(1 - p, generator=seeded(7)) if p else torch.ones_like(x)
    for i in range(rows):
        for j in range(columns):
            kept = x[i, j].item() / (1 - p) if inverted else x[i, j].item()
            assert y[i, j].item() == pytest.approx(kept if mask[i, j] else 0.0, rel=1e-15)


@few
@given(probabilities)
def test_at_test_time_all_stay_and_plain_dropout_counts_them_for_less(p):
    x = noise(3, 4)
    torch.testing.assert_close(dropout(x, p, False), x, rtol=0, atol=0)
    torch.testing.assert_close(dropout(x, p, False, inverted=False), (1 - p) * x, rtol=0, atol=1e-15)


@KINDS
@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_mean_over_masks_is_the_output_at_test_time(inverted, p):
    x = noise(4)
    y = dropout(x.expand(200_000, 4), p, inverted=inverted, generator=seeded())
    error = 5 * x.abs() * math.sqrt(p * (1 - p) / 200_000) / (1 - p if inverted else 1)
    assert ((y.mean(0) - dropout(x, p, False, inverted=inverted)).abs() <= error).all()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_variance_of_inverted_dropout_is_p_over_1_minus_p_of_the_square(p):
    y = dropout(torch.full((400_000,), 3.0, dtype=torch.float64), p, generator=seeded())
    assert y.var().item() == pytest.approx(9 * p / (1 - p), rel=0.02)


def test_values_are_dropped_independently_of_each_other():
    y = dropout(torch.ones(100_000, 3, dtype=torch.float64), 0.5, inverted=False, generator=seeded())
    both = [(y[:, i] * y[:, j]).mean().item() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert both == pytest.approx([0.25] * 3, abs=5 * math.sqrt(0.25 * 0.75 / 100_000))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("training", [False, True])
def test_torchs_function_has_the_same_masks_after_the_same_seed(dtype, p, training):
    x, found = noise(20, 30).to(dtype), []
    for drop in (dropout, torch.nn.functional.dropout):
        torch.manual_seed(5)
        found.append(drop(x, p, training))
    tolerance = {torch.float64: 1e-15, torch.float32: 1e-6, torch.bfloat16: 4e-2}[dtype]
    torch.testing.assert_close(*found, rtol=0, atol=tolerance * 5)


@KINDS
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients_pass_by_the_mask(inverted):
    x = noise(3, 4).requires_grad_()

    def run(x):
        return dropout(x, 0.4, inverted=inverted, generator=seeded(1))

    assert torch.autograd.gradcheck(run, x, check_forward_ad=True)
    (gradient,) = torch.autograd.grad(run(x).sum(), x)
    torch.testing.assert_close(gradient, run(torch.ones_like(x)).detach(), rtol=0, atol=0)


def test_a_generator_gives_the_same_masks_again_and_leaves_torchs_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    x = noise(10, 10)
    torch.testing.assert_close(dropout(x, generator=seeded(3)), dropout(x, generator=seeded(3)), rtol=0, atol=0)
    assert bool((dropout(x, generator=seeded(3)) != dropout(x, generator=seeded(4))).any())
    assert bool((torch.get_rng_state() == before).all())


@KINDS
def test_the_module_drops_in_training_and_not_in_evaluation(inverted):
    layer, x = Dropout(0.3, inverted=inverted, generator=seeded(2)), noise(5, 6)
    torch.testing.assert_close(layer(x), dropout(x, 0.3, inverted=inverted, generator=seeded(2)), rtol=0, atol=0)
    torch.testing.assert_close(layer.eval()(x), dropout(x, 0.3, False, inverted=inverted), rtol=0, atol=0)
    assert repr(layer) == f"Dropout(p=0.3, inverted={inverted})"


@few
@given(probabilities)
def test_scaled_weights_do_at_test_time_what_the_scaled_output_does(p):
    x, weight = noise(3, 4), noise(5, 4, seed=1)
    scaled = torch.nn.functional.linear(dropout(x, p, False, inverted=False), weight)
    torch.testing.assert_close(torch.nn.functional.linear(x, scale_weight(weight, p)), scaled, rtol=0, atol=1e-14)


@few
@given(st.integers(1, 4), st.sampled_from([(3,), (2, 3), (2, 2, 2)]), st.floats(0.1, 3))
def test_max_norm_shortens_a_unit_that_is_too_long_and_leaves_the_others(units, shape, c):
    weight = noise(units, *shape)
    kept = weight.clone()
    assert max_norm_(weight, c) is weight
    for now, before in zip(weight, kept, strict=True):
        length = math.sqrt(sum(value**2 for value in before.flatten().tolist()))
        torch.testing.assert_close(now, before * min(1, c / length), rtol=0, atol=1e-15)


def test_weights_of_zero_stay_zero():
    torch.testing.assert_close(max_norm_(torch.zeros(2, 3), 2), torch.zeros(2, 3), rtol=0, atol=0)


def test_parameters_are_held_in_place_and_keep_their_gradient():
    layer = torch.nn.Linear(3, 2)
    layer.weight.grad = torch.ones(2, 3)
    max_norm_(layer.weight, 0.01)
    assert layer.weight.requires_grad
    assert layer.weight.grad.sum() == 6
    assert float(torch.linalg.vector_norm(layer.weight.detach(), dim=1).max()) <= 0.01 * (1 + 1e-6)


def test_an_infinite_value_gives_nan_where_it_is_dropped_as_in_torch():
    y = dropout(torch.full((100,), math.inf), 0.5, generator=seeded())
    assert bool(y.isnan().any())
    assert bool((y == math.inf).any())


@pytest.mark.parametrize("p", [1, 1.0, -0.1, 2, math.nan])
@pytest.mark.parametrize("call", [lambda p: dropout(noise(2), p), Dropout, lambda p: scale_weight(noise(2), p)])
def test_a_probability_outside_0_to_1_is_refused(p, call):
    with pytest.raises(ValueError, match=f"need a probability of dropping p, 0 <= p < 1: {p}"):
        call(p)


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"need a floating-point input, convert first: torch\.int64"):
        dropout(torch.ones(3, dtype=torch.int64))


@pytest.mark.parametrize("c", [0, -1, math.nan])
def test_a_norm_that_is_not_positive_is_refused(c):
    with pytest.raises(ValueError, match=f"need a norm c above 0: {c}"):
        max_norm_(noise(2, 3), c)


def test_a_weight_without_units_and_inputs_is_refused():
    with pytest.raises(ValueError, match=r"of at least two dimensions: \(3,\)"):
        max_norm_(noise(3), 1)


@pytest.mark.parametrize("row", ROWS)
def test_the_tables_networks_have_its_units_and_hold_their_norms(row):
    torch.manual_seed(0)
    recipe = ROWS[row]
    net = DropoutNet(recipe, dropout)
    sizes = (784, *recipe.hidden, 10)
    parameters = sum(i * o + o for i, o in pairwise(sizes))
    assert sum(p.numel() for p in net.parameters()) == parameters
    with torch.no_grad():
        for layer in net.layers:
            layer.weight *= 10
    net.hold()
    longest = max(float(torch.linalg.vector_norm(layer.weight.detach(), dim=1).max()) for layer in net.layers)
    assert (longest <= 2.0001) == (recipe.norm == 2)
    images = torch.rand(3, 1, 28, 28, generator=seeded())
    torch.testing.assert_close(net.eval()(images), net(images), rtol=0, atol=0)
    assert bool((net.train()(images) != net(images)).any()) == recipe.drops


def test_the_rate_rises_and_falls_to_zero():
    recipe = Recipe((4,), "relu", True, 0, 1, 2.0)
    rates = [recipe.rate_at(update, 100) for update in range(100)]
    assert rates[:4] == pytest.approx([0.4, 0.792, 1.176, 1.552])
    assert max(rates) == rates[4] == pytest.approx(1.92)
    assert rates[99] == pytest.approx(0.02)


def test_torchs_function_meets_the_contract_and_dropout_that_does_not_drop_is_refused():
    assert check("dropout", numbers="kept*", dropout="torch.nn.functional:dropout")
    with pytest.raises(ContractError, match="dropped 0.00 of all values in training"):
        check_dropout(lambda x, p, training: x)
    with pytest.raises(ContractError, match="dropped values at test time"):
        check_dropout(lambda x, p, training: dropout(x, p))
    with pytest.raises(ContractError, match=r"returned \(100,\), not shape \(100, 100\)"):
        check_dropout(lambda x, p, training: x[0])
