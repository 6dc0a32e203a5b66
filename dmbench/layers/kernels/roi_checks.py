"""What the functions of RoI pooling refuse, in one line each."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dmbench.layers.conv2d import pair
from dmbench.layers.kernels.modes import under_autocast

HALVES = (torch.float16, torch.bfloat16)
FARTHEST = 2.0**30  # pixels: whole in float64, and in int64 even times a number of bins


def checked(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | tuple[int, int],
    scale: float,
    offset: Tensor | None = None,
    samples: int | None = None,
    *,
    position_sensitive: bool = False,
) -> tuple[tuple[int, int], Tensor]:
    """Return (kh, kw), and the boxes as (R, 5) in float32 at least.

    Raises:
        ValueError: a box is not finite, too far away, or of a picture that is not there; sizes or devices do not fit.
        TypeError: a tensor is not floating, or the offsets' dtype is another than the input's.
    """
    if input.ndim != 4:
        raise ValueError(f"input must be (N, C, H, W): {tuple(input.shape)}")
    if 0 in input.shape[1:]:
        raise ValueError(f"input {tuple(input.shape)} is empty: only N may be 0")
    if not input.is_floating_point():
        raise TypeError(f"input must be floating, convert first: {input.dtype}")
    output = pair(output_size, "output_size", 1)
    if samples is not None and not (isinstance(samples, int) and samples >= 1):
        raise ValueError(f"samples must be a whole number of at least 1, or None for the pixels of the bin: {samples}")
    channels = input.shape[1]
    if position_sensitive and channels % math.prod(output):
        raise ValueError(f"{output[0]} x {output[1]} bins need a multiple of {math.prod(output)} channels: {channels}")
    found = _checked_boxes(input, boxes, scale)
    if offset is not None:
        _check_offset(input, offset, len(found), output, channels // math.prod(output) if position_sensitive else 1)
    return output, found


def _check_offset(input: Tensor, offset: Tensor, rois: int, output: tuple[int, int], most: int) -> None:
    """most: how many groups there can be; their number divides it."""
    if offset.device != input.device:
        raise ValueError(f"offset is on {offset.device} and input on {input.device}: move one of them")
    mixed = under_autocast(input)
    if not offset.is_floating_point() or (offset.dtype != input.dtype and not mixed):
        raise TypeError(f"offset is {offset.dtype} and input {input.dtype}: convert one of them")
    groups = offset.shape[1] // 2 if offset.ndim == 4 else 0
    if offset.ndim != 4 or tuple(offset.shape) != (rois, 2 * groups, *output) or groups < 1 or most % groups:
        pairs, why = ("2", "") if most == 1 else ("2 * G", f", G a divisor of {most}")
        raise ValueError(f"offset must be ({rois}, {pairs}, {output[0]}, {output[1]}){why}: {tuple(offset.shape)}")


def _checked_boxes(input: Tensor, boxes: Tensor | Sequence[Tensor], scale: float) -> Tensor:
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"spatial_scale must be positive and finite: {scale}")
    if not isinstance(boxes, Tensor):
        if not isinstance(boxes, Sequence) or not all(isinstance(each, Tensor) for each in boxes):
            raise TypeError(f"boxes must be a tensor (R, 5), or a list of tensors (L, 4): {type(boxes).__name__}")
        boxes = _with_pictures(boxes, input)
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(f"boxes must be (R, 5), or a list with (L, 4) for each picture: {tuple(boxes.shape)}")
    if boxes.device != input.device:
        raise ValueError(f"boxes are on {boxes.device} and input on {input.device}: move one of them")
    if not boxes.is_floating_point():
        raise TypeError(f"boxes must be floating, convert first: {boxes.dtype}")
    boxes = boxes.detach()
    if boxes.dtype in HALVES:
        boxes = boxes.float()
    picture, pictures = boxes[:, 0], input.shape[0]
    # One look for all: each would make a GPU wait.
    near = (boxes[:, 1:] * scale).abs() <= FARTHEST  # false for NaN
    there = (picture >= 0) & (picture < pictures) & (picture == picture.floor())
    fine = near.all(1) & there
    if not bool(fine.all()):
        index = int((~fine).nonzero()[0, 0])
        if bool(there[index]):
            raise ValueError(f"boxes must be finite, within 2^30 pixels: box {index} is {boxes[index, 1:].tolist()}")
        raise ValueError(f"box {index} is in picture {picture[index].item()}, of a batch of {pictures}: count from 0")
    return boxes


def _with_pictures(boxes: Sequence[Tensor], input: Tensor) -> Tensor:
    if len(boxes) != input.shape[0]:
        raise ValueError(f"need a tensor of boxes for each of {input.shape[0]} pictures: {len(boxes)}")
    for each in boxes:
        if each.ndim != 2 or each.shape[1] != 4:
            raise ValueError(f"boxes of a picture must be (L, 4): {tuple(each.shape)}")
    if not boxes:
        return input.new_zeros(0, 5)
    parts = [torch.cat([torch.full_like(each[:, :1], n), each], 1) for n, each in enumerate(boxes)]
    return torch.cat(parts)
