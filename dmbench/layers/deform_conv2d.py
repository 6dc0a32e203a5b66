"""Deformable convolution: each tap of a convolution reads at a place of its own, learned and fractional.

Source: Dai et al. (2017), Deformable Convolutional Networks, arXiv:1703.06211, section 2.1 (version 1), and Zhu et al.
(2019), Deformable ConvNets v2, arXiv:1811.11168, section 3.2 (version 2, with a modulation).
    y(p0) = sum over n of w(pn) * x(p0 + pn + dpn) * dmn        (Eq. 2; dmn is version 2's)
    x(p)  = sum over q of max(0, 1 - |qy - py|) * max(0, 1 - |qx - px|) * x(q)        (Eqs. 3 and 4)
Symbols: p0 a place of the output, pn a tap of the grid, dpn its offset, dmn its modulation (the mask), q a pixel; one
outside the image is zero, so that a sample fades to zero within one pixel of the border.

Shapes: N batch, C and Cout channels, H, W, Ho, Wo sizes of input and output, K = kh * kw taps, G deformable groups.
"""

import math
from functools import partial

import torch
from torch import Tensor, nn

from dmbench.layers.conv2d import Pair, pair
from dmbench.layers.kernels.deform_conv2d_cpu import DeformConv2dCPU, Geometry, Tensors
from dmbench.layers.kernels.deform_conv2d_triton import deform_conv2d_triton, takes
from dmbench.layers.kernels.modes import transformed, under_autocast, without_autocast


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Deformable convolution, version 1, or version 2 with a mask; the arguments are those of torchvision.ops.

    On a CPU it runs in chunks (kernels/deform_conv2d_cpu.py); on an NVIDIA GPU in Triton's kernels, also under
    torch.compile (kernels/deform_conv2d_triton.py), float64 excepted. Elsewhere, under torch.compile on a CPU, under
    torch.func, and for second derivatives and forward mode it is `equations`, in its time and memory. On a GPU the
    image's gradient is summed in no fixed order unless torch.use_deterministic_algorithms(True) is set.

    Args:
        input: (N, C, H, W), float32 or float64; float16 and bfloat16, and all under autocast, are computed in float32.
            On a GPU samples and weights are rounded to the input's dtype, the products are summed in float32, and
            float32 products are tf32's where torch.backends.cuda.matmul allows that.
        offset: (N, 2 * G * K, Ho, Wo), pixels: for each deformable group and tap, dy and then dx. Any value: far
            outside and infinite samples are 0, NaN gives NaN.
        weight: (Cout, C / groups, kh, kw); groups and G are inferred, and need not divide each other.
        bias: (Cout).
        stride, padding, dilation: pixels, one number or (rows, columns).
        mask: (N, G * K, Ho, Wo), the modulation; any value, the paper's lies in [0, 1].

    Returns:
        (N, Cout, Ho, Wo), dtype of input; channels last in memory where the input is.

    Raises:
        ValueError: sizes, channel counts or devices do not fit together, or the output would be empty.
        TypeError: dtypes differ, or are not floating.
    """
    geometry = _geometry(input, offset, weight, bias, *_pairs(stride, padding, dilation), mask)
    lowered = under_autocast(input)
    _check_dtypes(input, lowered, offset=offset, weight=weight, bias=bias, mask=mask)
    tensors: Tensors = (input, offset, weight, bias, mask)
    if takes(input) and (torch.compiler.is_compiling() or not transformed(*tensors)):
        return deform_conv2d_triton(tensors, geometry)
    if lowered or input.dtype in (torch.float16, torch.bfloat16):
        tensors = _raised(tensors)
        with without_autocast(input):
            return _run(tensors, geometry).to(input.dtype)
    return _run(tensors, geometry)


def canonical_deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """The same by `equations`, whatever the device: slower, in the memory of all columns, plain to read."""
    geometry = _geometry(input, offset, weight, bias, *_pairs(stride, padding, dilation), mask)
    _check_dtypes(input, False, offset=offset, weight=weight, bias=bias, mask=mask)
    return equations(input, offset, weight, bias, mask, geometry)


def _run(tensors: Tensors, geometry: Geometry) -> Tensor:
    image, canonical = tensors[0], partial(equations, geometry=geometry)
    if image.device.type != "cpu" or geometry.positions == 0 or torch.compiler.is_compiling() or transformed(*tensors):
        return canonical(*tensors)
    result: Tensor = DeformConv2dCPU.apply(*tensors, geometry, canonical)  # type: ignore[no-untyped-call]
    channels_last = image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous()
    return result if channels_last else result.contiguous()


def _raised(tensors: Tensors) -> Tensors:
    image, offset, weight, bias, mask = tensors
    return (
        image.float(),
        offset.float(),
        weight.float(),
        None if bias is None else bias.float(),
        None if mask is None else mask.float(),
    )


def equations(
    image: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, geometry: Geometry
) -> Tensor:
    """Return the sum of Eq. 2 as it is written, for any device, derivative and order; all columns are in memory."""
    g = geometry
    y, x = places(offset, g)
    parts = image.reshape(g.batch, g.offset_groups, g.channels // g.offset_groups, *g.image)
    columns = sample(parts, y, x)  # (N, G, C / G, K, Ho, Wo)
    if mask is not None:
        columns = columns * mask.reshape(g.batch, g.offset_groups, 1, g.taps, *g.output)
    columns = columns.reshape(g.batch, g.groups, g.channels // g.groups * g.taps, math.prod(g.output))
    result = weight.reshape(g.groups, weight.shape[0] // g.groups, -1) @ columns
    result = result.reshape(g.batch, weight.shape[0], *g.output)
    return result if bias is None else result + bias.view(-1, 1, 1)


def places(offset: Tensor, g: Geometry) -> tuple[Tensor, Tensor]:
    """Return y and x of p0 + pn + dpn, each (N, G, K, Ho, Wo)."""
    dy, dx = offset.reshape(g.batch, g.offset_groups, g.taps, 2, *g.output).unbind(3)
    grids = []
    for axis in (0, 1):
        p0 = torch.arange(g.output[axis], device=offset.device) * g.stride[axis] - g.padding[axis]
        pn = torch.arange(g.kernel[axis], device=offset.device) * g.dilation[axis]
        grids.append((p0, pn))
    (p0_y, pn_y), (p0_x, pn_x) = grids
    y = dy + (pn_y.repeat_interleave(g.kernel[1]).view(-1, 1, 1) + p0_y.view(-1, 1))
    x = dx + (pn_x.repeat(g.kernel[0]).view(-1, 1, 1) + p0_x)
    return y, x


def sample(image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Read the image between its pixels (Eqs. 3 and 4), zero outside.

    image: (N, G, c, H, W). y, x: (N, G, ...), pixels from the centre of the first. Returns: (N, G, c, ...).
    """
    height, width = image.shape[-2:]
    # Where it is clamped to all four pixels are outside; an infinity becomes finite.
    y, x = y.clamp(-2, height), x.clamp(-2, width)
    top, left = y.detach().floor(), x.detach().floor()
    # Eq. 4 as the two parts of a pixel: at whole places its derivative is the one to the right, as between them.
    down, right = y - top, x - left
    total = torch.zeros((), dtype=image.dtype, device=image.device)
    for qy, along in ((top, 1 - down), (top + 1, down)):
        for qx, across in ((left, 1 - right), (left + 1, right)):
            inside = (qy >= 0) & (qy < height) & (qx >= 0) & (qx < width)
            # Whole numbers before the product: in float32 it is inexact from 4096 x 4096 pixels on.
            index = torch.where(inside, qy, 0).long() * width + torch.where(inside, qx, 0).long()
            pixel = image.flatten(3).gather(3, index.flatten(2).unsqueeze(2).expand(-1, -1, image.shape[2], -1))
            pixel = pixel.view(*pixel.shape[:3], *y.shape[2:])
            # A pixel outside is zero whatever stands at index 0; a NaN in the weight stays one.
            total = total + (along * across).unsqueeze(2) * torch.where(inside.unsqueeze(2), pixel, 0)
    return total


class DeformConv2d(nn.Module):
    """The layer with its offset branch: a plain convolution of the same kernel, stride and dilation gives the offsets.

    It starts as the plain convolution: the branch is zero, and in version 2 every modulation 0.5 (Zhu et al., 3.2).

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias: as in nn.Conv2d.
        offset_groups: G; the papers use 1.
        modulated: version 2: the branch has 3 * G * K channels, the last G * K through a sigmoid; otherwise 2 * G * K.

    Raises:
        ValueError: groups or offset_groups do not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        offset_groups: int = 1,
        modulated: bool = False,
    ) -> None:
        super().__init__()
        if offset_groups < 1 or in_channels % offset_groups:
            raise ValueError(f"offset_groups must divide in_channels {in_channels}: {offset_groups}")
        kernel = pair(kernel_size, "kernel_size", 1)
        self.stride, self.padding, self.dilation = _pairs(stride, padding, dilation)
        plain = nn.Conv2d(in_channels, out_channels, kernel, groups=groups, bias=bias)
        self.weight, self.bias = plain.weight, plain.bias
        self.offsets = 2 * offset_groups * math.prod(kernel)
        outputs = self.offsets * 3 // 2 if modulated else self.offsets
        self.branch = nn.Conv2d(in_channels, outputs, kernel, self.stride, self.padding, self.dilation)
        nn.init.zeros_(self.branch.weight)
        nn.init.zeros_(self.branch.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, Cout, Ho, Wo)."""
        branch = self.branch(x)
        offset, mask = branch[:, : self.offsets], branch[:, self.offsets :]
        modulation = mask.sigmoid() if mask.shape[1] else None
        return deform_conv2d(x, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, modulation)


def _pairs(stride: Pair, padding: Pair, dilation: Pair) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    return pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)


def _geometry(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    mask: Tensor | None,
) -> Geometry:
    for name, tensor in (("input", input), ("offset", offset), ("weight", weight), ("mask", mask)):
        if tensor is not None and tensor.ndim != 4:
            raise ValueError(f"{name} must have 4 dimensions: {tuple(tensor.shape)}")
    for name, tensor in (("offset", offset), ("weight", weight), ("bias", bias), ("mask", mask)):
        if tensor is not None and tensor.device != input.device:
            raise ValueError(f"{name} is on {tensor.device} and input on {input.device}: move one of them")
    (batch, channels, height, width), (filters, share, kh, kw) = input.shape, weight.shape
    if 0 in (channels, height, width) or 0 in weight.shape:
        raise ValueError(f"input {tuple(input.shape)} or weight {tuple(weight.shape)} is empty: only N may be 0")
    groups = channels // share
    if channels % share or filters % groups:
        raise ValueError(f"weight {tuple(weight.shape)} splits {channels} channels or {filters} filters unevenly")
    rows, columns = (
        (size + 2 * pad - step * (k - 1) - 1) // jump + 1
        for size, pad, step, k, jump in zip((height, width), padding, dilation, (kh, kw), stride, strict=True)
    )
    if rows < 1 or columns < 1:
        raise ValueError(f"output would be {rows} x {columns}: kernel {kh} x {kw} is larger than input and padding")
    taps = kh * kw
    offset_groups = offset.shape[1] // (2 * taps)
    if offset_groups < 1 or offset.shape[1] % (2 * taps) or channels % offset_groups:
        raise ValueError(
            f"offset needs {2 * taps} channels for each deformable group, a divisor of {channels}: {offset.shape[1]}"
        )
    for name, tensor, count in (("offset", offset, 2 * taps), ("mask", mask, taps)):
        wanted = (batch, count * offset_groups, rows, columns)
        if tensor is not None and tuple(tensor.shape) != wanted:
            raise ValueError(f"{name} must be {wanted}: {tuple(tensor.shape)}")
    if bias is not None and tuple(bias.shape) != (filters,):
        raise ValueError(f"bias must be {(filters,)}: {tuple(bias.shape)}")
    return Geometry(
        image=(height, width),
        output=(rows, columns),
        kernel=(kh, kw),
        stride=stride,
        padding=padding,
        dilation=dilation,
        batch=batch,
        channels=channels,
        groups=groups,
        offset_groups=offset_groups,
    )


def _check_dtypes(input: Tensor, mixed: bool, **others: Tensor | None) -> None:
    if not input.is_floating_point():
        raise TypeError(f"input must be floating, convert first: {input.dtype}")
    for name, tensor in others.items():
        if tensor is None:
            continue
        if not tensor.is_floating_point() or (tensor.dtype != input.dtype and not mixed):
            raise TypeError(f"{name} is {tensor.dtype} and input {input.dtype}: convert one of them")
