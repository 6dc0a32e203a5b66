"""Gradient checking: differences as the formulas, what is right, wrong or a kink, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.peers.gradient_checking import torch_right
from dmbench.regularizers.gradient_checking import Report, check_gradient, numerical_gradient, relative_error

few = settings(deadline=None, max_examples=20, derandomize=True)


def values(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixed(x):
    return (x.sin() * x.flatten().cumsum(0).view(x.shape)).sum()


@few
@given(st.lists(st.integers(1, 3), min_size=0, max_size=3), st.sampled_from(["central", "forward"]))
def test_differences_are_the_formulas_value_by_value(shape, kind):
    x, h = values(*shape), 1e-3
    found = numerical_gradient(mixed, x, h, kind)
    assert found.shape == x.shape
    for place in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[place] = h
        ahead, here, behind = mixed(x + step), mixed(x), mixed(x - step)
        expected = (ahead - behind) / (2 * h) if kind == "central" else (ahead - here) / h
        torch.testing.assert_close(found.view(-1)[place], expected, rtol=0, atol=1e-10)


def test_the_right_gradient_of_a_transposed_and_sliced_input_is_accepted_and_the_input_left_alone():
    x = values(4, 6).T[::2]
    before = x.clone()
    report = check_gradient(mixed, x)
    assert report.worst < 1e-7
    assert report.level == "right"
    assert torch.equal(x, before)
    torch.testing.assert_close(report.analytical.view(3, 4), report.numerical.view(3, 4), rtol=1e-7, atol=1e-9)


class Dropped(torch.autograd.Function):
    """The cube, whose gradient forgets one value."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, dy):
        gradient = 3 * ctx.saved_tensors[0] ** 2 * dy
        gradient[2] = 0
        return gradient


def test_a_wrong_value_is_named_by_its_place():
    report = check_gradient(lambda x: Dropped.apply(x).sum(), values(5))
    assert (report.errors > 1e-4).tolist() == [False, False, True, False, False]
    assert report.worst == 1
    assert report.level == "probably wrong"


def test_kinks_are_marked_and_do_not_count():
    x = torch.tensor([-1.0, 1e-6, 0.5, 0.0], dtype=torch.float64)
    report = check_gradient(lambda x: (x.abs() + x**2).sum(), x)
    assert report.kinks.tolist() == [False, True, False, True]
    assert report.errors[3] < 1e-4  # both are 0 there: agreement at a kink is luck
    assert report.errors[1] > 0.1
    assert report.worst < 1e-7


def test_strong_curvature_is_no_kink():
    x = torch.tensor([0.3, -1.2], dtype=torch.float64)
    assert not check_gradient(lambda x: (20 * x).sin().sum(), x).kinks.any()


def test_where_only_kinks_are_left_nothing_is_wrong():
    report = check_gradient(lambda x: x.abs().sum(), torch.zeros(2, dtype=torch.float64))
    assert report.kinks.all()
    assert report.worst == 0


def test_a_drawn_part_of_the_places_has_the_errors_of_the_whole():
    x = values(30)
    whole = check_gradient(mixed, x)
    part = check_gradient(mixed, x, places=7, generator=torch.Generator().manual_seed(1))
    assert len(set(part.places.tolist())) == 7
    for name in ("analytical", "numerical", "errors", "kinks"):
        assert torch.equal(getattr(part, name), getattr(whole, name)[part.places])
    assert len(check_gradient(mixed, x, places=99).places) == 30


@pytest.mark.parametrize(
    ("worst", "level"),
    [(1e-7, "right"), (2e-7, "usually right"), (1e-4, "usually right"), (2e-4, "doubtful"), (2e-2, "probably wrong")],
)
def test_levels_are_the_notes(worst, level):
    nothing = torch.zeros(1, dtype=torch.float64)
    report = Report(nothing, nothing, nothing, torch.tensor([worst], dtype=torch.float64), torch.tensor([False]))
    assert report.level.startswith(level)


def test_relative_errors_are_symmetric_from_zero_to_two():
    a, n = torch.tensor([1.0, 0, 0, -2, 1e-9]), torch.tensor([0.9, 0, 3, 2, 1.1e-9])
    expected = torch.tensor([0.1, 0, 1, 2, 0.1 / 1.1])
    torch.testing.assert_close(relative_error(a, n), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(relative_error(n, a), expected, rtol=1e-5, atol=0)
    assert relative_error(torch.tensor([math.nan]), torch.tensor([1.0])).isnan().all()


def test_a_gradient_of_nan_is_never_right():
    report = check_gradient(lambda x: (x - 1).sqrt().sum(), torch.tensor([0.5], dtype=torch.float64))
    assert report.level == "probably wrong"


def test_too_small_a_step_drowns_in_rounding_and_too_large_a_one_in_curvature():
    x = torch.ones(1, dtype=torch.float64)
    errors = {h: abs(float(numerical_gradient(lambda x: x.exp().sum(), x, h)) - math.e) for h in (1e-13, 6e-6, 1e-1)}
    assert errors[6e-6] < 1e-9
    assert errors[1e-13] > 1e-5
    assert errors[1e-1] == pytest.approx(math.e * 1e-2 / 6, rel=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64])
def test_anything_but_float64_is_refused(dtype):
    for call in (numerical_gradient, check_gradient):
        with pytest.raises(
            TypeError, match="need float64, in which differences of 1e-5 leave digits to compare: torch"
        ):
            call(lambda x: x.sum(), torch.ones(2, dtype=dtype))


def test_what_does_not_fit_is_refused_in_one_line():
    x = values(2)
    with pytest.raises(ValueError, match=r"need a function of one value, such as a loss or a weighted sum: \(2,\)"):
        check_gradient(lambda x: x, x)
    for step in (0, -1e-5, math.nan):
        with pytest.raises(ValueError, match=f"need a step above 0: {step}"):
            numerical_gradient(mixed, x, step)
    with pytest.raises(ValueError, match="kind must be central or forward: backward"):
        numerical_gradient(mixed, x, kind="backward")
    for function in (lambda x: x.detach().sum(), lambda x: torch.ones(1, requires_grad=True).sum()):
        with pytest.raises(ValueError, match="autograd does not reach x"):
            check_gradient(function, x)


def test_torchs_own_check_judges_alike():
    assert check("gradient_checking", numbers="[ac]*t*", right=torch_right)
