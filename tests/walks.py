"""What the optimisers' tests share: a walk down a smooth surface by any optimiser, and every combination of options."""

import itertools
import math

import pytest
import torch


def value(w):
    """A surface with curvature of both signs, whose gradient is that of `slope`."""
    return (0.3 * w**2).sum() + w.cos().sum() + 0.1 * (w[:-1] * w[1:]).sum()


def slope(w):
    """The gradient of `value` at a list of floats."""
    last = len(w) - 1
    return [
        0.6 * w[i] - math.sin(w[i]) + 0.1 * ((w[i - 1] if i else 0.0) + (w[i + 1] if i < last else 0.0))
        for i in range(len(w))
    ]


def start(count=5):
    return torch.randn(count, generator=torch.Generator().manual_seed(count), dtype=torch.float64) * 2


def walk(optimiser, steps=50, options=None, begin=None):
    """Return the weights after each update, (steps, count)."""
    w = (start() if begin is None else begin).clone().requires_grad_()
    made = optimiser([w], **(options or {}))
    path = []
    for _ in range(steps):
        made.zero_grad()
        value(w).backward()
        made.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def combinations(**options):
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]


def check_refusals(optimiser, shared=()):
    """Every optimiser's: options out of range, and a gradient that is not finite."""
    w = torch.zeros(2, requires_grad=True)
    for name in ("lr", "weight_decay"):
        for bad in (-0.1, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{name} must be 0 or more, and finite: {bad}"):
                optimiser([w], **{name: bad})
    for bad in (math.nan, math.inf):
        v = torch.ones(3, requires_grad=True)
        made = optimiser([w, v], lr=0.1)
        w.grad, v.grad = torch.ones(2), torch.tensor([0.0, bad, 1.0])
        with pytest.raises(FloatingPointError, match=r"weight 1 of group 0, shape \(3,\), is not finite: nothing"):
            made.step()
        assert w.tolist() == [0, 0]
        assert v.tolist() == [1, 1, 1]
        assert not made.state
