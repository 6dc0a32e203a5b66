"""Pooling: the maximum or the average of each window, channel by channel.

Source: LeCun et al. (1998), Gradient-based learning applied to document recognition, section II.A (average, with a
trained factor that is left out here); overlapping maximum: Krizhevsky, Sutskever and Hinton (2012), ImageNet
classification with deep convolutional neural networks, section 3.4, window z = 3 at stride s = 2.

Shapes: N batch, C channels, (H, W) input, (F, F') window, (O, O') output: O = floor((H - F + 2P) / S) + 1.
"""

from torch import Tensor

from dmbench.layers.conv2d import Pair, pair, windows


def max_pool2d(
    x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1
) -> Tensor:
    """Take the maximum of each window; as torch.nn.functional.max_pool2d.

    The gradient goes to the maximum, to the first one of equals in reading order. What is padded is never the maximum.

    Args:
        x: (N, C, H, W), floating point.
        kernel_size: the window, F or (F, F').
        stride: rows and columns from one window to the next; None: the window's sides, so that none overlap.
        padding: at most half of the window, so that every window sees x.
        dilation: from one pixel of a window to the next.

    Returns:
        (N, C, O, O').

    Raises:
        ValueError: a shape or number does not fit, or the window is larger than the padded input.
        TypeError: x is not floating point.
    """
    _check(x, kernel_size, padding)
    seen = windows(x, kernel_size, kernel_size if stride is None else stride, padding, dilation, outside=-float("inf"))
    return seen.flatten(-2).max(-1).values


def avg_pool2d(
    x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, *, count_include_pad: bool = True
) -> Tensor:
    """Take the average of each window; as torch.nn.functional.avg_pool2d.

    Args:
        x, kernel_size, stride, padding: as in `max_pool2d`.
        count_include_pad: divide by F F', the padded zeros among them; False: by how many pixels of x a window sees.

    Returns and raises as `max_pool2d`.
    """
    _check(x, kernel_size, padding)
    stride = kernel_size if stride is None else stride
    totals = windows(x, kernel_size, stride, padding).sum((-2, -1))
    counts = windows(x.new_ones(1, 1, *x.shape[2:]), kernel_size, stride, padding, outside=float(count_include_pad))
    return totals / counts.sum((-2, -1))


def _check(x: Tensor, window: Pair, padding: Pair) -> None:
    """Say in one line what does not fit."""
    if x.ndim != 4:
        raise ValueError(f"need x (N, C, H, W): {tuple(x.shape)}")
    if not x.is_floating_point():
        raise TypeError(f"need a floating-point dtype, convert first: {x.dtype}")
    for side, zeros in zip(pair(window, "window", 1), pair(padding, "padding", 0), strict=True):
        if 2 * zeros > side:
            raise ValueError(f"padding must be at most half of the window: {padding}, {window}")
