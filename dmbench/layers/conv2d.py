"""Two-dimensional convolution as one matrix product: im2col.

Source: Chellapilla, Puri and Simard (2006), High performance convolutional neural networks for document processing;
the arithmetic of sizes in Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning,
arXiv:1603.07285. Dilation (atrous convolution): Yu and Koltun (2015), arXiv:1511.07122. As everywhere in deep learning
the filter is not flipped:

    y[n, k, i, j] = b[k] + sum over c, u, v of w[k, c, u, v] x[n, c, s i + d u - p, s j + d v - p],  x = 0 outside.

Shapes: N batch, C channels in, K filters, (H, W) input, (F, F') filter, (O, O') output, G groups, each of which maps
C / G channels to K / G.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

Pair = int | tuple[int, int]


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve; the arguments and the result are those of torch.nn.functional.conv2d.

    Args:
        x: (N, C, H, W), floating point.
        weight: (K, C / G, F, F').
        bias: (K), or None.
        stride, dilation: rows and columns from one output, or one filter weight, to the next; at least 1.
        padding: zeros around x, rows above and below and columns left and right.
        groups: G, a divisor of C and K.

    Returns:
        (N, K, O, O'); differentiable any number of times.

    Raises:
        ValueError: a shape or number does not fit, or the filter is larger than the padded input.
        TypeError: dtypes or devices differ, or are not floating point.
    """
    _check(x, weight, bias, groups)
    seen = windows(x, (weight.shape[2], weight.shape[3]), stride, padding, dilation)
    batch, _, rows, columns = seen.shape[:4]
    per_group, taps = len(weight) // groups, weight[0].numel()

    # One product a picture and group: (K / G, C / G F F') by (C / G F F', O O').
    stretched = im2col(seen).reshape(batch * groups, taps, rows * columns)
    filters = weight.reshape(groups, per_group, taps).expand(batch, -1, -1, -1).flatten(0, 1)
    if bias is None:
        y = torch.bmm(filters, stretched)
    else:
        y = torch.baddbmm(
            bias.reshape(groups, per_group, 1).expand(batch, -1, -1, -1).flatten(0, 1), filters, stretched
        )
    return y.reshape(batch, len(weight), rows, columns)


def windows(
    x: Tensor,
    window: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    outside: float = 0.0,
) -> Tensor:
    """Return what each output sees, (N, C, O, O', F, F'): a view of x, padded with `outside`.

    Arguments and errors are those of `conv2d`.
    """
    size = pair(window, "window", 1)
    stride, padding, dilation = pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    for axis in (0, 1):
        output_size(x.shape[2 + axis], size[axis], stride[axis], padding[axis], dilation[axis], "padded input")
    if any(padding):
        x = pad(x, (padding[1], padding[1], padding[0], padding[0]), value=outside)
    spans = [dilation[axis] * (size[axis] - 1) + 1 for axis in (0, 1)]
    seen = x.unfold(2, spans[0], stride[0]).unfold(3, spans[1], stride[1])
    return seen[..., :: dilation[0], :: dilation[1]]


def im2col(seen: Tensor) -> Tensor:
    """Stretch out windows (N, C, O, O', F, F') to (N, C F F', O O'), columns in the order of the output's pixels."""
    batch, channels, rows, columns, f, f_across = seen.shape
    stretched = seen.permute(0, 1, 4, 5, 2, 3)  # of a 1 x 1 filter with stride 1 the reshape copies nothing
    return stretched.reshape(batch, channels * f * f_across, rows * columns)


def output_size(size: int, window: int, stride: int, padding: int = 0, dilation: int = 1, what: str = "input") -> int:
    """Return how many outputs fit along one axis: floor((W - F_eff + 2P) / S) + 1, F_eff = D (F - 1) + 1.

    Raises:
        ValueError: none fits.
    """
    room = size + 2 * padding - (dilation * (window - 1) + 1)
    if room < 0:
        raise ValueError(f"the window spans {dilation * (window - 1) + 1}, more than the {what}: {size + 2 * padding}")
    return room // stride + 1


def pair(given: Pair, name: str, least: int) -> tuple[int, int]:
    """Return (rows, columns) from one number or two; ValueError if they are not, or below `least`."""
    both = tuple(given) if isinstance(given, tuple | list) else (given, given)
    if len(both) != 2 or not all(isinstance(one, int) and one >= least for one in both):
        raise ValueError(f"{name} must be one or two whole numbers of at least {least}: {given}")
    return both


class Conv2d(nn.Module):
    """`conv2d` with weights of its own, named, shaped and drawn as torch.nn.Conv2d's (He et al. 2015, a = sqrt 5).

    Args:
        channels, filters: C and K. window: F, or (F, F'). bias: whether there is one. device, dtype: of the weights.
        stride, padding, dilation, groups: as in `conv2d`.

    Raises:
        ValueError: groups divides not both, or a number is too small.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        window: Pair,
        *,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(channels, filters, groups) < 1 or channels % groups or filters % groups:
            raise ValueError(
                f"groups must divide channels and filters, all at least 1: {groups}, {channels}, {filters}"
            )
        shape = (filters, channels // groups, *pair(window, "window", 1))
        bound = (shape[1] * shape[2] * shape[3]) ** -0.5
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype).uniform_(-bound, bound))
        drawn = torch.empty(filters, device=device, dtype=dtype).uniform_(-bound, bound) if bias else None
        self.bias = None if drawn is None else nn.Parameter(drawn)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


def _check(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    """Say in one line what does not fit."""
    if x.ndim != 4 or weight.ndim != 4 or weight.numel() == 0:
        raise ValueError(f"need x (N, C, H, W), weight (K, C / G, F, F'): {tuple(x.shape)}, {tuple(weight.shape)}")
    if groups < 1 or x.shape[1] != groups * weight.shape[1] or len(weight) % groups:
        raise ValueError(
            f"{groups} groups of filters over {weight.shape[1]} channels: need {groups * weight.shape[1]} channels and "
            f"a multiple of {groups} filters: {x.shape[1]}, {len(weight)}"
        )
    if bias is not None and bias.shape != (len(weight),):
        raise ValueError(f"need a bias of shape ({len(weight)},): {tuple(bias.shape)}")
    for one in (x, weight, *(() if bias is None else (bias,))):
        if not one.is_floating_point() or (one.dtype, one.device) != (x.dtype, x.device):
            raise TypeError(
                f"need one floating-point dtype and device: {x.dtype} on {x.device}, {one.dtype} on {one.device}"
            )
