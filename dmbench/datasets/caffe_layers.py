"""Weights of Caffe's networks, as caffejs stores them: two files a layer, little-endian float32 and nothing else.

Source: github.com/chaosmail/caffejs. `<layer>_filter.bin` holds the filters, out x kh x kw x in, the input's channel
running fastest; `<layer>_bias.bin` the biases.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def read_layer(files: Mapping[str, Path], layer: str, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Read the weight and the bias of one layer, float32, in torch's order.

    Args:
        files: places by name.
        layer: its name, with which the two files' names end, less _filter.bin and _bias.bin.
        shape: of the weight: (out, in, kh, kw) of a convolution, (out, in) of a linear layer.

    Raises:
        ValueError: a file is missing, has another size, or holds what is no number.
    """
    out, channels, *sides = shape
    weight = torch.from_numpy(_read(files, f"{layer}_filter.bin", math.prod(shape)))
    bias = torch.from_numpy(_read(files, f"{layer}_bias.bin", out))
    if sides:
        weight = weight.view(out, *sides, channels).permute(0, 3, 1, 2)
    return weight.reshape(*shape).contiguous(), bias


def _read(files: Mapping[str, Path], ending: str, count: int) -> np.ndarray:
    path = next((path for name, path in files.items() if f"/{name}".endswith(f"/{ending}")), None)
    if path is None:
        raise ValueError(f"no file of the name {ending} among {len(files)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) != 4 * count:
        raise ValueError(f"{path}: has {len(content):,} bytes, not the {4 * count:,} of {count:,} float32")
    values = np.frombuffer(content, "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: holds NaN or infinity: no weights, or damaged")
    return values
