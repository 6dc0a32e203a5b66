"""Dynamic filters where the result is known in closed form, the networks' sizes, and learning to steer a filter."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from dmbench.experiments._dynamic_filter import PLANS, Prediction, gaussian_derivatives, steered, steering_network
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.layers.dynamic_filter import DynamicConv2d, DynamicLocalFilter, dynamic_conv2d, dynamic_local_filter

SIZE = 16
UPDATES = 1500  # of learning to steer, 32 pictures each


def _subject(name: str, default: Callable[..., Tensor], filters: tuple[int, ...], layout: str) -> Subject:
    def check(function: Any) -> None:
        """Raise ContractError unless the function gives (N, K, O, O')."""
        result = function(torch.ones(2, 3, 4, 5), torch.ones(filters), (1, 2), (1, 0))
        if not isinstance(result, Tensor) or tuple(result.shape) != (2, 2, 4, 2):
            raise ContractError(f"returned {tuple(getattr(result, 'shape', ()))}, not a tensor (2, 2, 4, 2)")

    return Subject(
        name=name,
        default=default,
        contract=f"f(x, filters, stride, padding) filters x (N, C, H, W), zero outside, by filters {layout}, none of "
        "them flipped, and returns (N, K, O, O'); differentiable",
        check=check,
    )


CONVOLUTION = _subject("dynamic_conv2d", dynamic_conv2d, (2, 2, 3, 3, 2), "(N, K, C, F, F')")
LOCAL = _subject("dynamic_local_filter", dynamic_local_filter, (2, 2, 3, 3, 2, 4, 2), "(N, K, C, F, F', O, O')")


@experiment("constant_filters", "own_filters", "steered_filters", tier="quick", subjects=(CONVOLUTION,))
def convolutions(ctx: Context) -> dict[str, float]:
    """Compare with plain convolutions: one set of filters for all pictures, one for each, and steered ones."""
    convolve = ctx.subject("dynamic_conv2d")
    x, filters = noise(ctx, 3, 4, SIZE, SIZE), noise(ctx, 3, 5, 4, 3, 3)
    shared = filters[:1].expand_as(filters).contiguous()
    own = torch.cat([conv2d(x[n : n + 1], filters[n], padding=1) for n in range(3)])
    gray, basis = x[:, :1], gaussian_derivatives().to(ctx.device)
    angle = torch.tensor([0.3, 1.9, 4.0], dtype=torch.float64, device=ctx.device)
    both = conv2d(gray, basis[:, None], padding=4)
    expected = angle.cos().view(-1, 1, 1) * both[:, 0] + angle.sin().view(-1, 1, 1) * both[:, 1]
    return {
        "constant_filters": difference(convolve(x, shared, 1, 1), conv2d(x, filters[0], padding=1)),
        "own_filters": difference(convolve(x, filters, 1, 1), own),
        "steered_filters": difference(convolve(gray, steered(angle, basis)[:, None, None], 1, 4)[:, 0], expected),
    }


@experiment("constant_local_filters", "one_hot_filters", "filter_of_each_place", tier="quick", subjects=(LOCAL,))
def local_filters(ctx: Context) -> dict[str, float]:
    """Compare with a plain convolution, with a shift, and place by place with each place's own convolution."""
    filtered = ctx.subject("dynamic_local_filter")
    x, filters = noise(ctx, 2, 4, SIZE, SIZE), noise(ctx, 2, 5, 4, 3, 3, SIZE, SIZE)
    everywhere = filters[:1, ..., :1, :1].expand_as(filters).contiguous()
    one_hot = torch.zeros(2, 1, 1, 5, 5, SIZE, SIZE, dtype=x.dtype, device=x.device)
    one_hot[:, :, :, 4, 1] = 1  # two rows down, one column to the left
    expected = torch.empty(2, 5, SIZE, SIZE, dtype=x.dtype, device=x.device)
    for i in range(SIZE):
        for j in range(SIZE):
            for n in range(2):
                expected[n, :, i, j] = conv2d(x[n], filters[n, ..., i, j], padding=1)[:, i, j]
    return {
        "constant_local_filters": difference(
            filtered(x, everywhere, 1, 1), conv2d(x, filters[0, ..., 0, 0], padding=1)
        ),
        "one_hot_filters": difference(filtered(x[:, :1], one_hot, 1, 2), pad(x[:, :1], (1, -1, -2, 2))),
        "filter_of_each_place": difference(filtered(x, filters, 1, 1), expected),
    }


@experiment("softmax_keeps_flat", tier="quick")
def softmax(ctx: Context) -> dict[str, float]:
    """Filter a flat picture by our layer with normalised filters of a random generator; the border aside."""
    x = torch.full((2, 1, SIZE, SIZE), 0.7, dtype=torch.float64, device=ctx.device)
    layer = DynamicLocalFilter(torch.nn.Conv2d(1, 81, 3, padding=1), 1, 1, 9, padding=4, softmax=True).to(x)
    with torch.no_grad():
        y = layer(x, noise(ctx, 2, 1, SIZE, SIZE))[:, :, 4:-4, 4:-4]
    return {"softmax_keeps_flat": difference(y, x[:, :, 4:-4, 4:-4])}


@experiment("{task}_parameters", "{task}_baseline_parameters", tier="quick", over={"task": tuple(PLANS)})
def parameters(ctx: Context, task: str) -> dict[str, float]:
    """Count the parameters of the prediction network, and of the same one without a dynamic layer."""
    counts = [sum(p.numel() for p in Prediction(PLANS[task], baseline=plain).parameters()) for plain in (False, True)]
    return dict(zip((f"{task}_parameters", f"{task}_baseline_parameters"), counts, strict=True))


@experiment("learned_steering", tier="quick", seeds=3)
def steering(ctx: Context) -> dict[str, float]:
    """Learn the filter of an angle from pairs of pictures before and after it; compare the filters at 64 angles."""
    ctx.note(updates=UPDATES, pictures="32 of 24 x 24 uniform noise an update", optimiser="Adam, one cycle to 3e-3")
    random = torch.Generator().manual_seed(ctx.seed or 0)
    basis = gaussian_derivatives().float().to(ctx.device)
    layer = DynamicConv2d(steering_network(), 1, 1, 9).to(ctx.device)
    optimiser = torch.optim.Adam(layer.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, UPDATES)
    for update in range(UPDATES):
        angle = 2 * math.pi * torch.rand(32, generator=random).to(ctx.device)
        x = torch.rand(32, 1, 24, 24, generator=random).to(ctx.device) - 0.5
        target = dynamic_conv2d(x, steered(angle, basis)[:, None, None])
        optimiser.zero_grad()
        loss = (layer(x, angle[:, None]) - target).square().mean()
        loss.backward()
        optimiser.step()
        schedule.step()
        if update % 100 == 99:
            ctx.progress(update + 1, UPDATES)
            ctx.point(update=update + 1, loss=float(loss.detach()))
    angle = 2 * math.pi / 64 * torch.arange(64, device=ctx.device)
    with torch.no_grad():
        learned, true = layer.filters(angle[:, None])[:, 0, 0], steered(angle, basis)
    errors = (learned - true).flatten(1).norm(dim=1) / true.flatten(1).norm(dim=1)
    return {"learned_steering": float(errors.mean())}


def noise(ctx: Context, *shape: int) -> Tensor:
    """Return normal noise, float64, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64).to(ctx.device)


def difference(ours: Tensor, expected: Tensor) -> float:
    """Return the largest difference, as a part of the largest value."""
    return float((ours - expected).abs().max() / expected.abs().max())
