"""lbfgs: the inverse Hessian it stands for, torch's optimiser, a line search that ends well, limits, errors."""

import pytest
import torch

from dmbench.experiments.lbfgs import OPTIONS, rosenbrock, valley
from dmbench.optim.lbfgs import C1, C2, LBFGS, strong_wolfe


def path(build, loss, options, calls=50, begin=(-1.2, 1.0)):
    w = torch.tensor(begin, dtype=torch.float64, requires_grad=True)
    optimiser, rows, counted = build([w], **options), [], [0]

    def closure():
        counted[0] += 1
        optimiser.zero_grad()
        value = loss(w)
        value.backward()
        return value

    for _ in range(calls):
        optimiser.step(closure)
        rows.append(w.detach().clone())
    return torch.stack(rows), counted[0]


def bfgs(loss, steps, begin):
    """BFGS with the whole inverse Hessian, Nocedal and Wright Eq. 6.17, begun anew from H0 (Eq. 7.20) each step."""
    w = torch.tensor(begin, dtype=torch.float64)
    pairs, rows, before = [], [], None
    for step in range(steps):
        v = w.clone().requires_grad_()
        (g,) = torch.autograd.grad(loss(v), v)
        if before is not None:
            pairs.append((w - before[0], g - before[1]))
        scale = float(pairs[-1][0] @ pairs[-1][1] / (pairs[-1][1] @ pairs[-1][1])) if pairs else 1.0
        h, one = scale * torch.eye(len(w), dtype=torch.float64), torch.eye(len(w), dtype=torch.float64)
        for s, y in pairs:
            rho = 1 / (s @ y)
            left = one - rho * torch.outer(s, y)
            h = left @ h @ left.T + rho * torch.outer(s, s)
        before = (w, g)
        rate = min(1.0, 1 / float(g.abs().sum())) if step == 0 else 1.0
        w = w - rate * h @ g
        rows.append(w)
    return torch.stack(rows)


def test_its_direction_is_that_of_bfgs_with_the_whole_matrix():
    def loss(w):
        return 0.5 * (w**2 * torch.tensor([1.0, 3.0, 9.0, 27.0])).sum() + 0.05 * (w**4).sum()

    begin = (1.0, -0.7, 0.5, 0.3)
    ours, _ = path(LBFGS, loss, {"max_iter": 1}, 12, begin)
    torch.testing.assert_close(ours, bfgs(loss, 12, begin), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_torchs_optimiser_walks_the_same_way_with_as_many_closures(options):
    (ours, counted), (theirs, wanted) = (path(build, valley, options) for build in (LBFGS, torch.optim.LBFGS))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    assert counted == wanted


@pytest.mark.parametrize("first", [1e-3, 0.5, 1.0, 40.0])
def test_a_line_search_ends_where_both_wolfe_conditions_hold(first):
    def evaluate(w):
        v = w.clone().requires_grad_()
        value = rosenbrock(v)
        return value.item(), torch.autograd.grad(value, v)[0]

    w = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    loss, g = evaluate(w)
    d = -g / g.norm()
    slope = float(g @ d)
    t, value, after = strong_wolfe(evaluate, w, d, first, loss, slope)
    assert value <= loss + C1 * t * slope
    assert abs(float(after @ d)) <= -C2 * slope


def test_rosenbrocks_valley_is_followed_to_its_end():
    rows, _ = path(LBFGS, rosenbrock, {"max_iter": 100, "line_search_fn": "strong_wolfe", "tolerance_change": 0}, 1)
    torch.testing.assert_close(rows[-1], torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-6)


def test_several_weights_are_one_vector():
    def run(parts):
        w = [torch.full(shape, 0.5, dtype=torch.float64, requires_grad=True) for shape in parts]
        optimiser = LBFGS(w, max_iter=4)

        def closure():
            optimiser.zero_grad()
            flat = torch.cat([one.reshape(-1) for one in w])
            value = (torch.arange(1.0, 7.0) * flat**2).sum() + flat.prod()
            value.backward()
            return value

        optimiser.step(closure)
        return torch.cat([one.detach().reshape(-1) for one in w])

    torch.testing.assert_close(run([(2, 2), (2,)]), run([(6,)]), rtol=0, atol=1e-14)


def test_at_the_bottom_nothing_moves():
    rows, counted = path(LBFGS, lambda w: (w**2).sum(), {}, 3, (0.0, 0.0))
    assert rows.abs().max() == 0
    assert counted == 3


def test_options_out_of_range_and_gradients_that_are_not_finite_are_refused():
    w = torch.zeros(1, requires_grad=True)
    for options, message in (
        ({"lr": -1}, "lr must be 0 or more, and finite: -1"),
        ({"max_iter": 0}, "need at least one iteration and one pair: 0, 100"),
        ({"line_search_fn": "armijo"}, "line_search_fn must be None or strong_wolfe: armijo"),
    ):
        with pytest.raises(ValueError, match=message):
            LBFGS([w], **options)
    with pytest.raises(ValueError, match="L-BFGS takes one group of weights: 2"):
        LBFGS([{"params": [w]}, {"params": [torch.zeros(1, requires_grad=True)]}])

    def closure():
        loss = (w * torch.inf).sum()
        loss.backward()
        return loss

    with pytest.raises(FloatingPointError, match="weight 0 of group 0"):
        LBFGS([w]).step(closure)
    assert w.item() == 0
