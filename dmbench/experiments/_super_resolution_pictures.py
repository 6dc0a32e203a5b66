"""Figures of super-resolution: crops of one picture as each method restores it, and where they err.

The luma is restored by the method, Cb and Cr are enlarged by bicubic interpolation, as in the papers' figures.

Shapes: H, W the picture's size; ycc is uint8 (3, H, W), luma planes are uint8 (H, W).
"""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from dmbench.datasets.pictures import modcrop, read_picture, to_8_bits
from dmbench.experiments._super_resolution import METRICS, Enhance, degrade, fill, restored
from dmbench.experiments._super_resolution_training import inference
from dmbench.harness.experiment import Context
from dmbench.metrics.psnr import shave
from dmbench.metrics.ycbcr import MATRIX, OFFSET
from dmbench.models.srcnn import SRCNN, read_authors_weights

Box = tuple[int, int, int, int]  # left, top, width, height, pixels
LARGEST_ERROR = 40  # of 255: where the colours of the error maps end
FRAME = "#d62728"


def crops(ctx: Context, file: str, box: Box, scale: int, vdsr: Enhance) -> Figure:
    """Draw a crop of a colour picture of Set5: true, bicubic, SRCNN 9-5-5 and VDSR, with maps of their error.

    The PSNR under each crop is the whole picture's, by the papers' protocol; the maps show |output - truth|
    of the luma, 0 to LARGEST_ERROR.

    Args:
        ctx: with the artifacts set5 and srcnn_955, and the parts bicubic and ycbcr.
        file: how the picture's file name ends.
        box: the crop; the picture is first cropped to multiples of `scale`.
        scale: 2, 3 or 4.
        vdsr: the network, from enlarged luma to sharper luma.

    Raises:
        ValueError: no picture of that name, or a box that does not lie inside it.
    """
    truth = modcrop(_ycc(ctx, file), scale)
    left, top, width, height = box
    if left < 0 or top < 0 or left + width > truth.shape[-1] or top + height > truth.shape[-2]:
        raise ValueError(f"{file}: a box {box} does not lie inside {tuple(truth.shape[-2:])}")
    methods: dict[str, Enhance] = {
        "bicubic": lambda y: y,
        "SRCNN 9-5-5": _srcnn(ctx, scale),
        "VDSR": vdsr,
    }
    lumas = {name: restored(ctx, truth[0], scale, enhance) for name, enhance in methods.items()}
    chroma = _enlarged(ctx, truth[1:], scale)

    figure = Figure(figsize=(10, 4.6 * height / width + 0.4), layout="compressed")
    axes = figure.subplots(2, len(methods) + 1)
    part = (slice(top, top + height), slice(left, left + width))
    _show(axes[0, 0], _rgb(truth)[part], "truth")
    _show(axes[1, 0], _rgb(truth), f"{file.partition('_')[0].partition('.')[0]}, x{scale}")
    axes[1, 0].add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=FRAME, lw=1.5))
    for column, (name, luma) in enumerate(lumas.items(), 1):
        decibels = METRICS["psnr"](shave(luma, scale), shave(truth[0], scale))
        output = torch.cat([luma[None], chroma])
        _show(axes[0, column], _rgb(output)[part], f"{name}, {decibels:.2f} dB")
        error = (luma.int() - truth[0].int()).abs()[part]
        axes[1, column].imshow(error.numpy(), cmap="magma", vmin=0, vmax=LARGEST_ERROR, interpolation="nearest")
        _bare(axes[1, column], f"error, {error.double().mean():.1f} on average")
    bar = figure.colorbar(axes[1, -1].images[0], ax=axes[1, 1:].tolist(), extend="max", aspect=30)
    bar.set_label("|output - truth| of 255", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return figure


def _ycc(ctx: Context, file: str) -> Tensor:
    path = next((path for name, path in ctx.files("set5").items() if name.endswith(file)), None)
    if path is None:
        raise ValueError(f"set5 has no {file}")
    return ctx.subject("ycbcr")(to_8_bits(read_picture(path)))  # type: ignore[no-any-return]


def _srcnn(ctx: Context, scale: int) -> Enhance:
    files = ctx.files("srcnn_955")
    path = next(path for name, path in files.items() if name.endswith(f"x{scale}.mat"))
    fill(net := SRCNN(5), read_authors_weights(path))
    return inference(net.to(ctx.device).eval(), ctx.device)


def _enlarged(ctx: Context, chroma: Tensor, scale: int) -> Tensor:
    """Shrink and enlarge Cb and Cr, uint8 (2, H, W)."""
    planes = degrade(ctx.subject("bicubic"), chroma.double(), scale)
    return (planes + 0.5).floor().clamp(0, 255).to(torch.uint8)


def _rgb(ycc: Tensor) -> Tensor:
    """Convert uint8 Y, Cb, Cr (3, H, W) to uint8 RGB (H, W, 3): the inverse of rgb2ycbcr, rounded."""
    inverse = torch.linalg.inv(torch.tensor(MATRIX, dtype=torch.float64) / 255)
    centred = ycc.double() - torch.tensor(OFFSET, dtype=torch.float64)[:, None, None]
    return torch.einsum("rc,chw->hwr", inverse, centred).round().clamp(0, 255).to(torch.uint8)


def _show(axes: Axes, picture: Tensor, caption: str) -> None:
    axes.imshow(picture.numpy(), interpolation="nearest")
    _bare(axes, caption)


def _bare(axes: Axes, caption: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(caption, fontsize=10)
