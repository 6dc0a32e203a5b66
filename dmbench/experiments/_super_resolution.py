"""The protocol that super-resolution papers share, from the authors' MATLAB test code.

A picture's luma (MATLAB's rgb2ycbcr on uint8) is cropped to a multiple of the scale, shrunk and enlarged
again by MATLAB's bicubic imresize without rounding in between, and given to the network; the output is rounded
to uint8, a border of `scale` pixels is shaved, and PSNR (peak 255) and SSIM are averaged over the pictures.

Shapes: H, W the picture's size; luma planes are (1, 1, H, W), float32, in [0, 1].
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.datasets.pictures import modcrop, read_picture, to_8_bits
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject
from dmbench.layers.bicubic import imresize
from dmbench.metrics.ifc import ifc
from dmbench.metrics.ms_ssim import ms_ssim
from dmbench.metrics.psnr import psnr, shave
from dmbench.metrics.ssim import ssim
from dmbench.metrics.ycbcr import rgb2ycbcr

SCALES = (2, 3, 4)
Enhance = Callable[[Tensor], Tensor]


def check_resize(resize: Callable[[Tensor, float], Tensor]) -> None:
    """Raise ContractError unless resize halves and doubles a float64 plane."""
    for scale, expected in ((0.5, (8, 6)), (2, (32, 24))):
        same_shape(resize(torch.rand(16, 12, dtype=torch.float64), scale), expected)


def check_ycbcr(convert: Callable[[Tensor], Tensor]) -> None:
    """Raise ContractError unless convert maps uint8 RGB to uint8 of the same shape."""
    converted = convert(torch.arange(3 * 4 * 5, dtype=torch.uint8).reshape(3, 4, 5))
    same_shape(converted, (3, 4, 5))
    if converted.dtype != torch.uint8:
        raise ContractError(f"returned {converted.dtype} for uint8")


def same_shape(output: object, expected: tuple[int, ...]) -> None:
    """Raise ContractError unless output is a finite tensor of the expected shape."""
    if not isinstance(output, Tensor):
        raise ContractError(f"returned {type(output).__name__}, not a tensor")
    if tuple(output.shape) != expected:
        raise ContractError(f"returned shape {tuple(output.shape)}, not {expected}")
    if not bool(torch.isfinite(output.double()).all()):
        raise ContractError("returned NaN or infinity")


BICUBIC = Subject(
    name="bicubic",
    default=imresize,
    contract="resize(plane, scale) maps float64 (H, W) in [0, 1] to (ceil(scale * H), ceil(scale * W))",
    check=check_resize,
)
YCBCR = Subject(
    name="ycbcr",
    default=rgb2ycbcr,
    contract="convert(rgb) maps uint8 (3, H, W) to uint8 Y, Cb, Cr of the same shape, Y in [16, 235]",
    check=check_ycbcr,
)


def network(ctx: Context, part: str, weights: list[Tensor], *arguments: object) -> Enhance:
    """Build the network under test with the authors' weights, or with its own where it has `pretrained`.

    Raises:
        ContractError: its parameters, in order, have other shapes than the weights.
    """
    build = ctx.subject(part)
    net = build.pretrained(ctx) if hasattr(build, "pretrained") else build(*arguments)
    if not hasattr(build, "pretrained"):
        fill(net, weights)
    if not isinstance(net, nn.Module):
        raise ContractError(f"{part}: gave {type(net).__name__}, not a torch.nn.Module")
    net = net.to(ctx.device).eval()

    def enhance(y: Tensor) -> Tensor:
        with torch.inference_mode():
            output = net(y.float().to(ctx.device))
        same_shape(output, tuple(y.shape))
        return output.cpu()  # type: ignore[no-any-return]

    return enhance


def fill(net: nn.Module, weights: list[Tensor]) -> None:
    """Copy weights into the parameters of a network, in order.

    Raises:
        ContractError: the counts or shapes differ.
    """
    parameters = list(net.parameters())
    have, need = ([tuple(t.shape) for t in tensors] for tensors in (parameters, weights))
    if have != need:
        odd = next(
            (pair for pair in zip(have, need, strict=False) if pair[0] != pair[1]),
            (len(have), len(need)),
        )
        raise ContractError(f"its parameters do not take the authors' weights, in order: {odd[0]} is not {odd[1]}")
    with torch.no_grad():
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.copy_(weight)


def luma(picture: Tensor, convert: Callable[[Tensor], Tensor] = rgb2ycbcr) -> Tensor:
    """Return the luma of a picture, uint8 (H, W) or (3, H, W), as uint8 (H, W); greyscale is its own."""
    return picture if picture.ndim == 2 else convert(picture)[0]


def degrade(resize: Callable[[Tensor, float], Tensor], truth: Tensor, scale: int) -> Tensor:
    """Shrink a luma plane in [0, 1] and enlarge it again; (H, W) float64, sides multiples of scale."""
    return resize(resize(truth, 1 / scale), scale)


def clamp_to_luma(y: Tensor) -> Tensor:
    """Clamp a plane in [0, 1] to the range of 8-bit luma, [16, 235] / 255, as VDSR's authors do with their input."""
    return y.clamp(16 / 255, 235 / 255)


def evaluate(ctx: Context, pictures: str, scale: int, enhance: Enhance, metrics: tuple[str, ...]) -> dict[str, float]:
    """Average metrics of an enhancement over the pictures of an artifact, by metric name."""
    ctx.note(
        scale=scale,
        border=scale,
        luma="uint8 rgb2ycbcr",
        low_resolution="bicubic, unrounded",
        output="uint8",
    )
    paths = ctx.files(pictures)
    sums = dict.fromkeys(metrics, 0.0)
    for i, path in enumerate(paths.values()):
        ctx.progress(i, len(paths))
        for name, value in score(ctx, path, scale, enhance, metrics).items():
            sums[name] += value / len(paths)
    return sums


def score(ctx: Context, path: Path, scale: int, enhance: Enhance, metrics: tuple[str, ...]) -> dict[str, float]:
    """Measure one picture. The truth is always the protocol's; an own conversion or resize changes the input."""
    try:
        picture = modcrop(to_8_bits(read_picture(path)), scale)
        truth = shave(luma(picture), scale)
        output = shave(restored(ctx, luma(picture, ctx.subject("ycbcr")), scale, enhance), scale)
        return {name: METRICS[name](output, truth) for name in metrics}
    except ValueError as error:
        raise ValueError(str(error) if str(path) in str(error) else f"{path.name}: {error}") from error


def restored(ctx: Context, source: Tensor, scale: int, enhance: Enhance) -> Tensor:
    """Degrade and restore a luma plane, uint8 (H, W) to uint8 (H, W)."""
    y = degrade(ctx.subject("bicubic"), source.double() / 255, scale)
    same_shape(y, tuple(source.shape))
    output = enhance(y[None, None])[0, 0].double()
    return (output * 255 + 0.5).floor().clamp(0, 255).to(torch.uint8)  # MATLAB rounds half away from zero


METRICS: dict[str, Callable[[Tensor, Tensor], float]] = {
    "psnr": lambda image, truth: float(psnr(image, truth, 255)),
    "ssim": lambda image, truth: float(ssim(image, truth, 255)),
    "msssim": lambda image, truth: float(ms_ssim(image, truth, 255)),
    "ifc": lambda image, truth: float(ifc(image, truth)),
}


def keyed(pictures: str, scale: int, measured: dict[str, Any], suffix: str = "") -> dict[str, float]:
    """Name measured values as the files of numbers do."""
    return {f"{pictures}_x{scale}_{metric}{suffix}": value for metric, value in measured.items()}
