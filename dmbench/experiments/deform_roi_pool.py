"""RoI pooling where its result is known in closed form, and what its offsets cost in parameters; no VOC, no COCO."""

from collections.abc import Callable

import torch
from torch import Tensor

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.layers.deform_conv2d import DeformConv2d
from dmbench.layers.deform_roi_pool import (
    DeformPSRoIPool,
    DeformRoIPool,
    deform_ps_roi_pool,
    deform_roi_pool,
    ps_roi_pool,
    roi_pool,
)

BINS = 7
CLASSES = 21  # VOC's, with the background
FEATURES = 1024  # channels after ResNet-101 and its 1 x 1 convolution
HEIGHT, WIDTH = 38, 63  # of a picture of 600 x 1000 at stride 16
# (picture, x1, y1, x2, y2), whole pixels, each 4 pixels or more from the border.
BOXES = ((0, 5, 4, 18, 24), (1, 20, 6, 58, 33), (0, 30, 10, 36, 16))
LECTURE = (
    (0.88, 0.44, 0.14, 0.16, 0.37, 0.77, 0.96, 0.27),
    (0.19, 0.45, 0.57, 0.16, 0.63, 0.29, 0.71, 0.70),
    (0.66, 0.26, 0.82, 0.64, 0.54, 0.73, 0.59, 0.26),
    (0.85, 0.34, 0.76, 0.84, 0.29, 0.75, 0.62, 0.25),
    (0.32, 0.74, 0.21, 0.39, 0.34, 0.03, 0.33, 0.48),
    (0.20, 0.14, 0.16, 0.13, 0.73, 0.65, 0.96, 0.32),
    (0.19, 0.69, 0.09, 0.86, 0.88, 0.07, 0.01, 0.48),
    (0.83, 0.24, 0.97, 0.04, 0.24, 0.35, 0.50, 0.91),
)


def subject(name: str, default: Callable[..., Tensor], signature: str, channels: int, *, offsets: bool) -> Subject:
    """Return the part that `--impl` replaces, with a check of its shape."""

    def check(pool: Callable[..., Tensor]) -> None:
        """Raise ContractError unless pool gives 2 x 3 bins of one channel for the one box of a tiny picture."""
        x, boxes = torch.ones(1, channels, 4, 5), torch.tensor([[0.0, 0, 0, 4, 3]])
        result = pool(x, boxes, torch.zeros(1, 2, 2, 3), (2, 3), 1.0) if offsets else pool(x, boxes, (2, 3), 1.0)
        if not isinstance(result, Tensor) or tuple(result.shape) != (1, 1, 2, 3):
            found = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ContractError(f"returned {found}, not a tensor (1, 1, 2, 3)")

    return Subject(name=name, default=default, contract=f"f{signature} does as dmbench's {name}", check=check)


PLAIN, MOVED = "(input, boxes, output_size, spatial_scale)", "(input, boxes, offset, output_size, spatial_scale)"
ROI_POOL = subject("roi_pool", roi_pool, PLAIN, 1, offsets=False)
PS_ROI_POOL = subject("ps_roi_pool", ps_roi_pool, PLAIN, 6, offsets=False)
DEFORM_ROI_POOL = subject("deform_roi_pool", deform_roi_pool, MOVED, 1, offsets=True)
DEFORM_PS_ROI_POOL = subject("deform_ps_roi_pool", deform_ps_roi_pool, MOVED, 6, offsets=True)


@experiment("maximum", tier="quick", subjects=(ROI_POOL,))
def maximum(ctx: Context) -> dict[str, float]:
    """Compare with the maximum of each bin, sliced out."""
    x, boxes = noise(ctx, 3)
    found = ctx.subject("roi_pool")(x, boxes, BINS, 1.0)
    return {"maximum": difference(found, sliced(x, last=1, largest=True))}


@experiment("lecture", tier="quick", subjects=(ROI_POOL,))
def lecture(ctx: Context) -> dict[str, list[float]]:
    """Pool the picture of a well-known explanation into 2 x 2 bins; the output row by row."""
    x = torch.tensor(LECTURE, dtype=torch.float64, device=ctx.device)[None, None]
    boxes = torch.tensor([[0.0, 0, 3, 6, 7]], dtype=x.dtype, device=ctx.device)
    return {"lecture": ctx.subject("roi_pool")(x, boxes, 2, 1.0).flatten().tolist()}


@experiment("ps_average", "ps_channels", tier="quick", subjects=(PS_ROI_POOL,))
def position_sensitive(ctx: Context) -> dict[str, float]:
    """Compare with the average of each bin in its own channel, sliced out, and ask which channel that is."""
    pool = ctx.subject("ps_roi_pool")
    x, boxes = noise(ctx, 2 * BINS**2)
    number = torch.arange(2 * BINS**2).to(x)
    constant = number.view(1, -1, 1, 1).expand(2, -1, HEIGHT, WIDTH).contiguous()
    expected = number.view(1, 2, BINS, BINS).expand(len(BOXES), -1, -1, -1)
    return {
        "ps_average": difference(pool(x, boxes, BINS, 1.0), sliced(x, last=0, maps=BINS**2)),
        "ps_channels": difference(pool(constant, boxes, BINS, 1.0), expected),
    }


@experiment("zero_offsets", "moved_roi", "fractional_offsets", tier="quick", subjects=(DEFORM_ROI_POOL,))
def moves(ctx: Context) -> dict[str, float]:
    """Move all bins alike: not, by whole pixels, and between them."""
    pool = ctx.subject("deform_roi_pool")
    x, boxes = noise(ctx, 3)
    corners = ((-2, 1, 0.75 * 0.625), (-2, 2, 0.75 * 0.375), (-1, 1, 0.25 * 0.625), (-1, 2, 0.25 * 0.375))
    between = torch.stack([part * sliced(x, last=1, dy=dy, dx=dx) for dy, dx, part in corners]).sum(0)
    return {
        "zero_offsets": difference(pool(x, boxes, normalised(boxes, 1, 0, 0), BINS, 1.0), sliced(x, last=1)),
        "moved_roi": difference(pool(x, boxes, normalised(boxes, 1, -3, 2), BINS, 1.0), sliced(x, last=1, dy=-3, dx=2)),
        "fractional_offsets": difference(pool(x, boxes, normalised(boxes, 1, -1.75, 1.375), BINS, 1.0), between),
    }


@experiment("ps_zero_offsets", "ps_moved_class", tier="quick", subjects=(DEFORM_PS_ROI_POOL,))
def position_sensitive_moves(ctx: Context) -> dict[str, float]:
    """Move no bins, and then those of one class alone."""
    pool = ctx.subject("deform_ps_roi_pool")
    x, boxes = noise(ctx, 2 * BINS**2)
    still, moved = (sliced(x, last=0, maps=BINS**2, dy=dy, dx=dx) for dy, dx in ((0, 0), (-3, 2)))
    offset = torch.cat([normalised(boxes, 0, 0, 0), normalised(boxes, 0, -3, 2)], 1)
    return {
        "ps_zero_offsets": difference(pool(x, boxes, torch.zeros_like(offset), BINS, 1.0), still),
        "ps_moved_class": difference(pool(x, boxes, offset, BINS, 1.0), torch.stack([still[:, 0], moved[:, 1]], 1)),
    }


@experiment("constant_picture", "ramp", "gamma", tier="quick", subjects=(DEFORM_ROI_POOL,))
def pictures(ctx: Context) -> dict[str, float]:
    """Pool pictures whose averages need no computation: a constant, and a slope."""
    pool = ctx.subject("deform_roi_pool")
    whole = torch.tensor([[0.0, 0, 0, WIDTH - 1, HEIGHT - 1]], dtype=torch.float64, device=ctx.device)
    constant = torch.full((1, 1, HEIGHT, WIDTH), 0.7, dtype=torch.float64, device=ctx.device)
    y, x, number = (torch.arange(n, dtype=torch.float64, device=ctx.device) for n in (HEIGHT, WIDTH, BINS))
    slope = (2 * x - 3 * y[:, None]).view(1, 1, HEIGHT, WIDTH)
    inner = torch.tensor([[0.0, 7, 6, 7 + 35 - 1, 6 + 21 - 1]], dtype=torch.float64, device=ctx.device)
    # Bins of 5 x 3 pixels: the average is the value in the middle.
    expected = 2 * (7 + 5 * number + 2) - 3 * (6 + 3 * number + 1)[:, None]
    still, off = torch.zeros(1, 2, BINS, BINS).to(x), torch.full((1, 2, BINS, BINS), 0.7, dtype=x.dtype).to(x)
    along = torch.stack([torch.ones(BINS, BINS), torch.zeros(BINS, BINS)])[None].to(x)
    moved = 2 * 0.1 * 0.7 * 35 - 3 * 0.1 * 0.7 * 21
    return {
        "constant_picture": float(pool(constant, whole, still, BINS, 1.0).mean()),
        "ramp": difference(pool(slope, inner, off, BINS, 1.0), (expected + moved)[None, None]),
        "gamma": float((pool(slope, inner, along, BINS, 1.0) - pool(slope, inner, still, BINS, 1.0)).mean() / 2 / 35),
    }


@experiment("initial_offsets", "offsets_of_an_roi", "score_channels", "field_channels", tier="quick")
def as_built(ctx: Context) -> dict[str, float]:
    """Build our layers and look at their branches."""
    x, boxes = noise(ctx, 4)
    layer = DeformRoIPool(4, BINS).to(x)
    sensitive = DeformPSRoIPool(4, CLASSES, BINS).to(x)
    with torch.no_grad():
        found = layer(x, boxes)
    return {
        "initial_offsets": difference(found, sliced(x, last=1)),
        "offsets_of_an_roi": layer.fc.out_features,
        "score_channels": sensitive.scores.out_channels,
        "field_channels": sensitive.fields.out_channels,
    }


@experiment("faster_rcnn_parameters_added", "rfcn_parameters_added", tier="quick")
def parameters_added(ctx: Context) -> dict[str, float]:
    """Count what the offsets of three deformable convolutions and of the pooling add, in millions."""
    boxes, classes = DeformPSRoIPool(FEATURES, 4, BINS, groups=1), DeformPSRoIPool(FEATURES, CLASSES, BINS)
    branches = DeformConv2d(512, 512, 3).branch, DeformRoIPool(256, BINS).fc, boxes.fields, classes.fields
    one, faster, *both = (sum(p.numel() for p in branch.parameters()) for branch in branches)
    convolutions, rfcn = 3 * one, sum(both)
    ctx.note(convolutions=convolutions, faster_rcnn=faster, rfcn=rfcn)
    return {
        "faster_rcnn_parameters_added": (convolutions + faster) / 1e6,
        "rfcn_parameters_added": (convolutions + rfcn) / 1e6,
    }


def noise(ctx: Context, channels: int) -> tuple[Tensor, Tensor]:
    """Return two pictures of noise and BOXES, the same each time."""
    x = torch.randn(2, channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x.to(ctx.device), torch.tensor(BOXES, dtype=torch.float64, device=ctx.device)


def sliced(x: Tensor, *, last: int, maps: int = 1, largest: bool = False, dy: int = 0, dx: int = 0) -> Tensor:
    """Pool BOXES bin by bin, moved by whole pixels. last: whether the second corner's pixel belongs to the RoI."""
    views = x.view(2, -1, maps, HEIGHT, WIDTH)
    result = x.new_empty(len(BOXES), views.shape[1], BINS, BINS)
    for r, (n, x1, y1, x2, y2) in enumerate(BOXES):
        for i in range(BINS):
            for j in range(BINS):
                rows, columns = span(y1 + dy, y2 - y1 + last, i), span(x1 + dx, x2 - x1 + last, j)
                part = views[n, :, (i * BINS + j) % maps, rows, columns].flatten(1)
                result[r, :, i, j] = part.amax(1) if largest else part.mean(1)
    return result


def span(first: int, side: int, index: int) -> slice:
    """Return floor(i w / k) <= p < ceil((i + 1) w / k), from the first pixel on."""
    return slice(first + index * side // BINS, first - (-(index + 1) * side // BINS))


def normalised(boxes: Tensor, last: int, dy: float, dx: float) -> Tensor:
    """Return the offsets that move all bins of each box by (dy, dx) pixels."""
    w, h = (boxes[:, high] - boxes[:, high - 2] + last for high in (3, 4))
    each = torch.stack([dx / (0.1 * w), dy / (0.1 * h)], 1)
    return each.view(-1, 2, 1, 1).expand(-1, -1, BINS, BINS).contiguous()


def difference(ours: Tensor, expected: Tensor) -> float:
    """Return the largest difference, as a part of the largest value."""
    return float((ours - expected).abs().max() / expected.abs().max())
