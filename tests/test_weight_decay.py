"""Weight decay: penalties and minima as loops, SGD against Adam, groups, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dmbench import check
from dmbench.experiments.weight_decay import SHRINK
from dmbench.harness.errors import ContractError
from dmbench.optim.adam import Adam
from dmbench.optim.sgd import SGD
from dmbench.regularizers.weight_decay import (
    decay_groups,
    l1_minimum,
    l1_penalty,
    l2_minimum,
    l2_penalty,
    shrink,
    slopes,
    soft_threshold,
)
from tests.walks import start, value

few = settings(deadline=None, max_examples=25, derandomize=True)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


@few
@given(st.integers(1, 4), st.integers(1, 4), st.floats(0, 2))
def test_penalties_are_their_sums_and_gradients(rows, columns, alpha):
    weights = [noise(rows, columns).requires_grad_(), noise(columns).requires_grad_()]
    flat = [w for one in weights for w in one.flatten().tolist()]
    assert l2_penalty(weights, alpha).item() == pytest.approx(alpha / 2 * sum(w * w for w in flat), abs=1e-13)
    assert l1_penalty(weights, alpha).item() == pytest.approx(alpha * sum(abs(w) for w in flat), abs=1e-13)
    for penalty, slope in ((l2_penalty, lambda w: alpha * w), (l1_penalty, lambda w: alpha * math.copysign(1, w))):
        found = torch.autograd.grad(penalty(weights, alpha), weights)
        expected = [slope(w) for w in flat]
        torch.testing.assert_close(
            torch.cat([g.flatten() for g in found]), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-14
        )


@few
@given(st.floats(0, 1), st.floats(0, 1))
def test_shrinking_and_thresholding_weight_by_weight(lr, alpha):
    weights = [noise(3, 2), noise(4)]
    before = [w.clone() for w in weights]
    shrink(weights, lr, alpha)
    for w, old in zip(weights, before, strict=True):
        assert w.flatten().tolist() == pytest.approx([(1 - lr * alpha) * v for v in old.flatten().tolist()], abs=1e-15)
    weights = [w.clone() for w in before]
    soft_threshold(weights, lr, alpha)
    for w, old in zip(weights, before, strict=True):
        expected = [math.copysign(max(abs(v) - lr * alpha, 0), v) for v in old.flatten().tolist()]
        assert w.flatten().tolist() == pytest.approx(expected, abs=1e-15)


@few
@given(st.integers(1, 5), st.floats(0, 3))
def test_the_minimum_under_l2_has_no_slope_and_shrinks_along_eigenvectors(count, alpha):
    root = noise(count, count)
    hessian, best = root @ root.T + 0.1 * torch.eye(count).double(), noise(count)
    found = l2_minimum(hessian, best, alpha)
    slope = hessian @ (found - best) + alpha * found
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-11)
    values, axes = torch.linalg.eigh(hessian)
    for i in range(count):
        expected = values[i] / (values[i] + alpha) * (axes[:, i] @ best)
        assert (axes[:, i] @ found).item() == pytest.approx(expected.item(), abs=1e-11)


@few
@given(st.integers(1, 5), st.floats(0, 2))
def test_the_minimum_under_l1_is_lower_than_all_around_it(count, alpha):
    curvatures, best = noise(count).abs() + 0.1, noise(count, seed=1)
    found = l1_minimum(curvatures, best, alpha)

    def loss(w):
        return (0.5 * curvatures * (w - best) ** 2 + alpha * w.abs()).sum().item()

    for i in range(count):
        for step in (1e-3, -1e-3):
            moved = found.clone()
            moved[i] += step
            assert loss(moved) >= loss(found)


def walk(build, shrinking=0.0, **options):
    w = start().clone().requires_grad_()
    optimiser, path = build([w], **options), []
    for _ in range(50):
        optimiser.zero_grad()
        value(w).backward()
        if shrinking:
            shrink([w], options["lr"], shrinking)
        optimiser.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def test_for_plain_sgd_shrinking_is_l2_and_for_adam_it_is_not():
    torch.testing.assert_close(walk(SGD, 0.3, lr=0.05), walk(SGD, lr=0.05, weight_decay=0.3), rtol=0, atol=1e-13)
    decoupled, l2 = walk(Adam, 0.3, lr=0.05), walk(Adam, lr=0.05, weight_decay=0.3)
    assert (decoupled - l2).abs().max() > 0.1
    torch.testing.assert_close(
        decoupled, walk(torch.optim.AdamW, lr=0.05, weight_decay=0.3, eps=1e-8), rtol=0, atol=1e-12
    )
    momentum, coupled = walk(SGD, 0.3, lr=0.05, momentum=0.9), walk(SGD, lr=0.05, momentum=0.9, weight_decay=0.3)
    assert (momentum - coupled).abs().max() > 0.01


class PReLU(nn.Module):
    """Stands for dmbench's own, which has the same name."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((), 0.25))


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4), PReLU(), nn.Linear(4, 2))


def test_groups_hold_every_trained_parameter_once_and_leave_out_what_is_exempt():
    made = net()
    made.add_module("again", made[0])
    made[4].bias.requires_grad_(False)
    decayed, exempt = decay_groups(made, 0.1)
    assert [p.shape for p in decayed["params"]] == [(4, 3, 3, 3), (2, 4)]
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.1, 0.0)
    assert [p.shape for p in exempt["params"]] == [(4,), (4,), (4,), (4,), ()]
    decayed, exempt = decay_groups(made, 0.1, slopes)
    assert [p.numel() for p in exempt["params"]] == [4, 1]
    assert sum(p.numel() for p in decayed["params"]) == 108 + 4 + 8 + 8
    torch.optim.SGD([decayed, exempt], 0.1)


def test_a_group_without_parameters_is_left_out():
    (only,) = decay_groups(nn.Linear(3, 2, bias=False), 0.1)
    assert only["weight_decay"] == 0.1


def test_what_does_not_fit_is_refused_in_one_line():
    for bad in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"must be 0 or more, and finite: {bad}"):
            l2_penalty([torch.ones(1)], bad)
        with pytest.raises(ValueError, match="must be 0 or more"):
            decay_groups(net(), bad)
    with pytest.raises(ValueError, match="at least one weight"):
        l1_penalty([], 0.1)
    with pytest.raises(ValueError, match="a decay of 2 x 0.6 turns weights over"):
        shrink([torch.ones(1)], 2, 0.6)
    with pytest.raises(ValueError, match="no parameter is trained"):
        decay_groups(nn.Linear(2, 2).requires_grad_(False), 0.1)
    with pytest.raises(ValueError, match=r"need a Hessian \(K, K\) and a minimum \(K\): \(2, 3\), \(2,\)"):
        l2_minimum(torch.ones(2, 3), torch.ones(2), 1.0)
    with pytest.raises(ValueError, match="all above 0"):
        l1_minimum(torch.tensor([1.0, 0.0]), torch.ones(2), 1.0)


def test_peers_and_only_what_keeps_the_contract_are_measured():
    assert check("weight_decay", numbers="difference_*", shrink="dmbench.peers.weight_decay:torch_optim")
    with pytest.raises(ContractError, match="turned a weight of 2 into 1.2"):
        SHRINK.check(lambda weights, lr, alpha: [w.mul_(1 - alpha) for w in weights])
