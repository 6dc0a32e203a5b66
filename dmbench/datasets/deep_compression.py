"""A network compressed by pruning and weight sharing, without the Huffman coding: the file of SqueezeNet's authors.

Source: Han, Mao and Dally (2016), Deep Compression, arXiv:1510.00149, sections 2 and 3 (Figure 2: the places of what
is not pruned are stored as differences, with filler zeros where one is too large); the order of the parts, which no
text gives, is that in which the authors' decode.py of songhan/SqueezeNet-Deep-Compression takes them.

The file, all little-endian, L layers:
    L x uint32              how many entries n each layer has, fillers among them
    then for each layer:
    256 x float32           the codebook: shared weights; the first is 0, the weight of what is pruned and of fillers
    out x float32           biases
    n x uint8               for each entry, in the order of the weights (out, in, kh, kw), its place in the codebook
    ceil(n / 2) x uint8     for each entry how many pruned weights lie before it, after the last one: 0 to 15, 4 bits,
                            the lower half of a byte first
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SHARED = 256


def read_compressed(path: Path, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """Read and decompress: weight and bias of each layer, one after the other, float32.

    Args:
        shapes: of the layers' weights, (out, in, kh, kw).

    Raises:
        ValueError: the file cannot be read, is damaged, or is of a network of other shapes.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    found, at = [], 0

    def take(count: int, kind: str) -> np.ndarray:
        nonlocal at
        size = count * np.dtype(kind).itemsize
        if at + size > len(content):
            raise ValueError(f"{path}: ends after {len(content):,} bytes: cut short, or of another network")
        at += size
        return np.frombuffer(content, kind, count, at - size)

    counts = take(len(shapes), "<u4")
    for layer, (shape, count) in enumerate(zip(shapes, counts.tolist(), strict=True), 1):
        size = math.prod(shape)
        if count > size:
            raise ValueError(
                f"{path}: layer {layer} has {count:,} entries for {size:,} weights: damaged, or another network"
            )
        codebook, bias = take(SHARED, "<f4"), take(shape[0], "<f4")
        codes, pairs = take(count, "u1"), take((count + 1) // 2, "u1")
        if codebook[0] != 0 or not np.isfinite(codebook).all() or not np.isfinite(bias).all():
            raise ValueError(f"{path}: layer {layer} has no codebook of numbers that begins with 0: damaged")
        skipped = np.stack([pairs & 15, pairs >> 4], 1).reshape(-1)[:count]
        places = np.cumsum(skipped.astype(np.int64) + 1) - 1
        if count and places[-1] >= size:
            raise ValueError(f"{path}: layer {layer} has weights beyond its {size:,}: damaged, or another network")
        weight = np.zeros(size, np.float32)
        weight[places] = codebook[codes]
        found += [torch.from_numpy(weight).view(*shape), torch.from_numpy(bias.astype(np.float32))]
    if at != len(content):
        raise ValueError(f"{path}: {len(content) - at:,} bytes are left over: damaged, or of another network")
    return found
