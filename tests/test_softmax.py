"""softmax and its losses: the definitions as loops, torch's functions, gradients, large scores, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from dmbench import check
from dmbench.experiments.softmax import CROSS_ENTROPY
from dmbench.harness.errors import ContractError
from dmbench.layers.softmax import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge,
    log_softmax,
    nll_loss,
    softmax,
    squared_error,
)
from tests.activations import noise

few = settings(deadline=None, max_examples=20, derandomize=True)
sides = st.integers(1, 4)
DTYPES = {torch.float64: 1e-13, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 4e-2}
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
ZERO, Y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
FORWARD_MODE = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself


def powers(scores):
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def classes(*shape, count):
    return torch.randint(count, shape, generator=torch.Generator().manual_seed(sum(shape)))


def distributions(*shape):
    q = noise(*shape, seed=7).abs() + 0.1
    return q / q.sum(1, keepdim=True)


@few
@given(sides, sides)
def test_probabilities_and_their_logarithms_are_the_definition_as_loops(rows, count):
    x = noise(rows, count)
    for n in range(rows):
        expected = powers(x[n].tolist())
        assert softmax(x, 1)[n].tolist() == pytest.approx(expected, abs=1e-15)
        assert log_softmax(x, 1)[n].tolist() == pytest.approx([math.log(p) for p in expected], abs=1e-14)


@few
@given(sides, sides, st.sampled_from([0.0, 0.1, 1.0]))
def test_cross_entropy_is_the_definition_as_loops(rows, count, epsilon):
    x, y, q = noise(rows, count), classes(rows, count=count), distributions(rows, count)
    by_class = cross_entropy(x, y, label_smoothing=epsilon, reduction="none")
    by_distribution = cross_entropy(x, q, label_smoothing=epsilon, reduction="none")
    for n in range(rows):
        p = powers(x[n].tolist())
        for loss, target in ((by_class, [float(k == y[n]) for k in range(count)]), (by_distribution, q[n].tolist())):
            smooth = [(1 - epsilon) * t + epsilon / count for t in target]
            expected = -sum(t * math.log(pk) for t, pk in zip(smooth, p, strict=True))
            assert loss[n].item() == pytest.approx(expected, abs=1e-13)


@few
@given(sides, st.integers(2, 5), st.floats(0.1, 4))
def test_the_hinge_is_the_definition_as_loops(rows, count, margin):
    x, y = noise(rows, count), classes(rows, count=count)
    for n in range(rows):
        s, right = x[n].tolist(), y[n].item()
        expected = sum(max(0, s[j] - s[right] + margin) for j in range(count) if j != right)
        assert hinge(x, y, margin=margin, reduction="none")[n].item() == pytest.approx(expected, abs=1e-13)


@few
@given(sides, sides)
def test_binary_cross_entropy_and_squared_error_are_the_definitions_as_loops(rows, count):
    x, q = noise(rows, count), distributions(rows, count)
    p = x.sigmoid()
    for n in range(rows):
        for k in range(count):
            a, b = p[n, k].item(), q[n, k].item()
            expected = -(b * math.log(a) + (1 - b) * math.log(1 - a))
            assert binary_cross_entropy(p, q, reduction="none")[n, k].item() == pytest.approx(expected, abs=1e-13)
            found = binary_cross_entropy_with_logits(x, q, reduction="none")[n, k].item()
            assert found == pytest.approx(expected, abs=1e-13)
            assert squared_error(x, q, reduction="none")[n, k].item() == pytest.approx((x[n, k].item() - b) ** 2)


def compare(ours, theirs, dtype, x, *others):
    results = []
    for function in (ours, theirs):
        leaf = x.to(dtype).requires_grad_()
        y = function(leaf, *others)
        results.append((y.detach(), *torch.autograd.grad(y.sum(), leaf)))
        assert y.dtype == dtype
    torch.testing.assert_close(*results, rtol=DTYPES[dtype], atol=DTYPES[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_torchs_softmax_agrees_along_every_dimension_and_in_every_dtype(dim, dtype):
    weight = noise(3, 4, 2, seed=5).to(dtype)
    for ours, theirs in ((softmax, F.softmax), (log_softmax, F.log_softmax)):
        compare(lambda x, f=ours: f(x, dim) * weight, lambda x, f=theirs: f(x, dim) * weight, dtype, noise(3, 4, 2))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 4, 3, 2), (2, 1)])
@REDUCTIONS
def test_torchs_cross_entropy_agrees_in_every_shape_and_dtype(shape, reduction, dtype):
    count = shape[1] if len(shape) > 1 else shape[0]
    y = classes(*(shape[:1] if len(shape) > 1 else ()), *shape[2:], count=count)
    for options in ({}, {"label_smoothing": 0.2}):
        for target in (y, *([distributions(*shape).to(dtype)] if len(shape) > 1 else [])):
            options = {**options, "reduction": reduction}
            compare(
                lambda x, t, o=options: cross_entropy(x, t, **o),
                lambda x, t, o=options: F.cross_entropy(x, t, **o),
                dtype, noise(*shape), target,
            )  # fmt: skip


@few
@given(sides, st.integers(2, 4), st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([None, -100, 1]))
def test_weights_and_an_ignored_class_are_the_definition_as_loops(rows, count, epsilon, ignored):
    x, y, weight = noise(rows, count), classes(rows, count=count), noise(count, seed=3).abs()
    if ignored == -100:
        y[::2] = ignored
    options = {"weight": weight, "ignore_index": ignored}
    found = cross_entropy(x, y, **options, label_smoothing=epsilon, reduction="none")
    losses, shares = [], []
    for n in range(rows):
        p, right = powers(x[n].tolist()), int(y[n])
        target = [(1 - epsilon) * (k == right) + epsilon / count for k in range(count)]
        loss = -sum(w * t * math.log(pk) for w, t, pk in zip(weight.tolist(), target, p, strict=True))
        losses.append(0.0 if right == ignored else loss)
        shares.append(0.0 if right == ignored else weight[right].item())
    assert found.tolist() == pytest.approx(losses, abs=1e-13)
    total = cross_entropy(x, y, **options, label_smoothing=epsilon, reduction="sum")
    assert total.item() == pytest.approx(sum(losses), abs=1e-13)
    mean = cross_entropy(x, y, **options, label_smoothing=epsilon)
    if sum(shares):
        assert mean.item() == pytest.approx(sum(losses) / sum(shares), rel=1e-12)
    else:
        assert mean.isnan()
    if not epsilon:
        torch.testing.assert_close(nll_loss(log_softmax(x, 1), y, **options), mean, rtol=0, atol=1e-13, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 4, 3, 2)])
@REDUCTIONS
def test_torchs_cross_entropy_agrees_with_weights_and_an_ignored_class(shape, reduction, dtype):
    count = shape[1] if len(shape) > 1 else shape[0]
    y = classes(*(shape[:1] if len(shape) > 1 else ()), *shape[2:], count=count)
    weight = torch.tensor([0.5, 2.0, 0.0, 1.5], dtype=dtype)
    for smoothing in (0.0, 0.2):
        for more in ({}, {"weight": weight}, {"ignore_index": 2}, {"weight": weight, "ignore_index": 2}):
            options = {**more, "label_smoothing": smoothing, "reduction": reduction}
            compare(
                lambda x, t, o=options: cross_entropy(x, t, **o),
                lambda x, t, o=options: F.cross_entropy(x, t, **o),
                dtype, noise(*shape), y,
            )  # fmt: skip
        if len(shape) > 1:
            options = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
            compare(
                lambda x, t, o=options: cross_entropy(x, t, **o),
                lambda x, t, o=options: F.cross_entropy(x, t, **o),
                dtype, noise(*shape), distributions(*shape).to(dtype),
            )  # fmt: skip


def test_an_ignored_example_has_no_gradient_and_whole_batches_of_them_no_mean():
    x = noise(3, 4).requires_grad_()
    cross_entropy(x, torch.tensor([1, -100, 2]), ignore_index=-100, label_smoothing=0.1).backward()
    assert not x.grad[1].any()
    assert x.grad[0].any()
    y = torch.full((3,), -100)
    assert cross_entropy(x, y, ignore_index=-100).isnan()
    assert cross_entropy(x, y, ignore_index=-100, reduction="sum").item() == 0


@REDUCTIONS
def test_torchs_other_losses_agree(reduction):
    x, q, y = noise(5, 4), distributions(5, 4), classes(5, count=4)
    for ours, theirs, inputs in (
        (binary_cross_entropy, F.binary_cross_entropy, (x.sigmoid(), q)),
        (binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits, (x, q)),
        (squared_error, F.mse_loss, (x, q)),
        (nll_loss, F.nll_loss, (log_softmax(x, 1), y)),
    ):
        compare(
            lambda *a, f=ours: f(*a, reduction=reduction),
            lambda *a, f=theirs: f(*a, reduction=reduction),
            torch.float64, *inputs,
        )  # fmt: skip
    compare(
        lambda *a: hinge(*a, margin=1.5, reduction=reduction),
        lambda *a: 4 * F.multi_margin_loss(*a, margin=1.5, reduction=reduction),
        torch.float64, x, y,
    )  # fmt: skip


@FORWARD_MODE
def test_gradients_of_first_and_second_order_and_in_forward_mode():
    x, q, y = noise(3, 4).requires_grad_(), distributions(3, 4), classes(3, count=4)
    for function in (
        lambda x: softmax(x, 1),
        lambda x: log_softmax(x, 0),
        lambda x: cross_entropy(x, y, label_smoothing=0.1),
        lambda x: cross_entropy(x, q),
        lambda x: cross_entropy(x, y, weight=q[0], ignore_index=int(y[0]), label_smoothing=0.1, reduction="sum"),
        lambda x: binary_cross_entropy(torch.sigmoid(x), q),
        lambda x: binary_cross_entropy_with_logits(x, q),
        lambda x: hinge(x, y),
        lambda x: squared_error(x, q),
    ):
        assert torch.autograd.gradcheck(function, (x,), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(function, (x,))


def test_the_gradient_of_cross_entropy_is_p_minus_q_also_by_the_target():
    x, q = noise(3, 4).requires_grad_(), distributions(3, 4).requires_grad_()
    to_x, to_q = torch.autograd.grad(cross_entropy(x, q, reduction="sum"), (x, q))
    torch.testing.assert_close(to_x, softmax(x, 1) - q, rtol=0, atol=1e-14)
    torch.testing.assert_close(to_q, -log_softmax(x, 1), rtol=0, atol=1e-14)


def test_a_constant_added_to_the_scores_changes_nothing():
    x = noise(3, 4)
    torch.testing.assert_close(softmax(x + 1000, 1), softmax(x, 1), rtol=0, atol=1e-12)
    torch.testing.assert_close(log_softmax(x - 1000, 1), log_softmax(x, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_scores_whose_exponentials_overflow_give_finite_losses_and_gradients(dtype):
    x = torch.tensor([[1e4, 0.0, -1e4]], dtype=dtype, requires_grad=True)
    assert softmax(x, 1).tolist() == [[1, 0, 0]]
    loss = cross_entropy(x, torch.tensor([1]))
    assert loss.item() == 1e4
    loss.backward()
    assert x.grad.tolist() == [[1, -1, 0]]
    x.grad = None
    binary_cross_entropy_with_logits(x, torch.ones_like(x)).backward()
    assert x.grad.isfinite().all()


def test_a_score_of_minus_infinity_has_no_probability_and_others_are_as_torchs():
    for row in ([-math.inf, 1.0, 2.0], [math.inf, 1.0, 2.0], [math.nan, 1.0, 2.0], [-math.inf, -math.inf, -math.inf]):
        x = torch.tensor([row], dtype=torch.float64)
        torch.testing.assert_close(softmax(x, 1), F.softmax(x, 1), rtol=0, atol=1e-15, equal_nan=True)
        y = torch.tensor([2])
        torch.testing.assert_close(cross_entropy(x, y), F.cross_entropy(x, y), rtol=0, atol=1e-15, equal_nan=True)


def test_binary_cross_entropy_of_a_zero_score_has_the_gradient_one_half_minus_the_target():
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    binary_cross_entropy_with_logits(x, torch.tensor([0.0, 0.5, 1.0]).double(), reduction="sum").backward()
    assert x.grad.tolist() == [0.5, 0.0, -0.5]


def test_an_empty_batch_has_no_losses():
    assert softmax(torch.zeros(0, 3), 1).shape == (0, 3)
    assert cross_entropy(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), reduction="sum").item() == 0


def test_torch_compile_and_func_give_the_same():
    x, y = noise(3, 4), classes(3, count=4)
    compiled = torch.compile(cross_entropy, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, y), cross_entropy(x, y), rtol=0, atol=0)
    gradient = torch.func.grad(lambda x: cross_entropy(x, y, reduction="sum"))(x)
    torch.testing.assert_close(gradient, softmax(x, 1) - F.one_hot(y, 4), rtol=0, atol=1e-14)


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.25, 1.5, math.nan])
def test_probabilities_outside_the_open_interval_are_refused_with_the_value(bad):
    p = torch.tensor([0.5, bad])
    with pytest.raises(ValueError, match=rf"need probabilities inside \(0, 1\), .*: {bad:g}"):
        binary_cross_entropy(p, torch.ones(2))


@pytest.mark.parametrize("bad", [-0.5, 1.25, math.nan])
def test_target_probabilities_outside_0_to_1_are_refused_with_the_value(bad):
    target = torch.tensor([[bad, 1 - bad]])
    for loss in (cross_entropy, binary_cross_entropy_with_logits):
        with pytest.raises(ValueError, match=f"need target probabilities from 0 to 1: {bad:g}"):
            loss(torch.zeros(1, 2), target)


@pytest.mark.parametrize("bad", [-1, 3, -100])
def test_classes_that_are_none_are_refused_with_the_value(bad):
    for loss in (cross_entropy, hinge, nll_loss):
        with pytest.raises(ValueError, match=f"need classes from 0 to 2: {bad}"):
            loss(torch.zeros(2, 3), torch.tensor([0, bad]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cross_entropy(torch.zeros(1, 2), torch.full((1, 2), 0.25)), "need probabilities of sum 1: 0.5"),
        (lambda: cross_entropy(torch.zeros(1, 2), torch.tensor([0]), label_smoothing=1.5), "label_smoothing .* 1: 1.5"),
        (lambda: cross_entropy(torch.zeros(1, 2), torch.tensor([0]), reduction="max"), "mean, sum or none: max"),
        (lambda: cross_entropy(ZERO, Y, weight=torch.ones(2)), r"need a weight for each of 3 classes: \(2,\)"),
        (lambda: cross_entropy(ZERO, Y, weight=torch.tensor([1.0, -0.5, 1.0])), "need weights of at least 0: -0.5"),
        (lambda: cross_entropy(ZERO, Y, weight=torch.tensor([1.0, math.nan, 1.0])), "need weights of at least 0: nan"),
        (lambda: cross_entropy(ZERO, ZERO + 1 / 3, ignore_index=2), "use weight: ignore_index 2"),
        (lambda: cross_entropy(ZERO, Y - 1, ignore_index=-100), "need classes from 0 to 2: -1"),
        (lambda: nll_loss(ZERO, Y, weight=torch.ones(4)), r"need a weight for each of 3 classes: \(4,\)"),
        (lambda: cross_entropy(torch.zeros(2, 3), torch.tensor([[0, 0]])), r"need classes \(2,\) for scores"),
        (lambda: cross_entropy(torch.zeros(2, 3), torch.zeros(2, 2)), r"need a target of shape \(2, 3\): \(2, 2\)"),
        (lambda: cross_entropy(torch.zeros(()), torch.tensor(0)), "need classes"),
        (lambda: hinge(torch.zeros(2, 3), torch.tensor([0, 0]), margin=0.0), "need a margin above 0"),
        (lambda: hinge(torch.zeros(2, 3, 1), torch.tensor([[0], [0]])), r"\(N, C\) or \(C\): 1.0, \(2, 3, 1\)"),
        (lambda: squared_error(torch.zeros(2, 3), torch.zeros(3)), r"need a target of shape \(2, 3\): \(3,\)"),
        (lambda: softmax(torch.zeros(2, 0), 1), "need at least one value along dimension 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_dtypes_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="need a floating-point dtype, convert first: torch.int64"):
        softmax(torch.ones(2, 2, dtype=torch.int64), 1)
    with pytest.raises(TypeError, match="need classes in int64, or probabilities: torch.int32"):
        cross_entropy(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int32))
    with pytest.raises(TypeError, match="need weights as the scores, torch.float32 on cpu: torch.float64"):
        cross_entropy(ZERO, Y, weight=torch.ones(3).double())
    with pytest.raises(TypeError, match="need a target as the input, torch.float32 on cpu: torch.float64"):
        squared_error(torch.zeros(2), torch.zeros(2).double())


def test_torchs_losses_meet_the_contract_and_a_loss_of_another_shape_does_not():
    assert check("softmax", numbers="hinge_*", hinge="dmbench.peers.softmax:torch_nn_hinge")
    assert check("softmax", numbers="loss_*", cross_entropy="torch.nn.functional:cross_entropy")
    with pytest.raises(ContractError, match="returned"):
        CROSS_ENTROPY.check(lambda x, target, **options: x)
