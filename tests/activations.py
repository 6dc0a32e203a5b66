"""What the tests of activations share: claims that hold for each of them beside torch's function of the same name."""

import math

import pytest
import torch

EDGES = (0.0, -0.0, 1e-30, -1e-30, 5.0, -5.0, 1e4, -1e4, math.inf, -math.inf)
TOLERANCES = {torch.float64: 1e-14, torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


def agrees(ours, theirs, dtype, values=None):
    """Result and gradient are torch's, for noise of several shapes, or for given values."""
    for shape in [(), (5,), (0, 3), (2, 3, 4)] if values is None else [(len(values),)]:
        given = (3 * noise(*shape) if values is None else torch.tensor(values)).to(dtype)
        results = []
        for function in (ours, theirs):
            x = given.clone().requires_grad_()
            y = function(x)
            results.append((y.detach(), torch.autograd.grad(y, x, torch.full_like(x, 0.5))[0]))
            assert y.dtype == dtype
        for mine, his in zip(*results, strict=True):
            torch.testing.assert_close(mine, his, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


def agrees_at_the_edges(ours, theirs):
    """Around 0, far from it, at infinity and at NaN the result is torch's; so is the gradient, but that at NaN."""
    for dtype in (torch.float32, torch.float64):
        agrees(ours, theirs, dtype, EDGES)
    nan = torch.full((1,), math.nan, requires_grad=True)
    assert ours(nan).isnan().all()


def rounds_once(function):
    """float16 and bfloat16 are computed in float32 and rounded once."""
    for dtype in (torch.float16, torch.bfloat16):
        x = 3 * noise(200).to(dtype)
        torch.testing.assert_close(function(x), function(x.float()).to(dtype), rtol=0, atol=0)


def has_gradients(function, twice=True):
    """Gradients of first and second order and in forward mode are those of differences."""
    x = noise(12).requires_grad_()
    assert torch.autograd.gradcheck(function, (x,), check_forward_ad=True)
    assert not twice or torch.autograd.gradgradcheck(function, (x,))


def works_in_place(function):
    """In place it returns its argument, with the same result and gradient; a leaf that wants gradients is refused."""
    leaf = noise(3, 4).requires_grad_()
    x = leaf * 1
    y = function(x, inplace=True)
    assert y is x
    torch.testing.assert_close(y, function(leaf), rtol=0, atol=0)
    gradients = [torch.autograd.grad(one.pow(3).sum(), leaf)[0] for one in (y, function(leaf))]
    torch.testing.assert_close(*gradients, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        function(leaf, inplace=True)


def refuses_whole_numbers(function):
    """Integers are refused in one line."""
    with pytest.raises(TypeError, match="need a floating-point dtype, convert first: torch.int64"):
        function(torch.ones(3, dtype=torch.int64))


def compiles_and_transforms(function):
    """torch.compile without a break, torch.func's gradient and vmap give the same."""
    x = noise(4, 3)
    compiled = torch.compile(function, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), function(x), rtol=0, atol=0)
    torch.testing.assert_close(torch.func.vmap(function)(x), function(x), rtol=0, atol=0)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(leaf).sum(), leaf)
    torch.testing.assert_close(torch.func.grad(lambda x: function(x).sum())(x), gradient, rtol=0, atol=0)
