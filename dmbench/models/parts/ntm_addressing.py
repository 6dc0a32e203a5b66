"""NTM addressing, reading and writing: where a head looks, and what it does there.

Source: Graves, Wayne and Danihelka (2014), Neural Turing Machines, arXiv:1410.5401, sections 3.1 to 3.3. Symbols are
the paper's: w weighting, k key, beta key strength, g gate, s shift weighting, gamma sharpening, e erase, a add.

Shapes: B batch, H heads, W write heads, R read heads, N memory locations, M width of a location, S = 2 reach + 1
shifts. A weighting is nowhere negative and sums to 1 over N.
"""

import torch
from torch import Tensor


def address(memory: Tensor, w_tm1: Tensor, k: Tensor, beta: Tensor, g: Tensor, s: Tensor, gamma: Tensor) -> Tensor:
    """Turn what heads emit into their next weightings (Figure 2).

    Args:
        memory: (B, N, M).
        w_tm1: (B, H, N), the weightings one time step earlier.
        k: (B, H, M), what to look for.
        beta: (B, H, 1), > 0; larger focuses harder on the best match.
        g: (B, H, 1), in [0, 1]; 0 keeps w_tm1, 1 takes the content weighting.
        s: (B, H, S), sums to 1 over S; s[..., reach + r] is the weight of moving r forward.
        gamma: (B, H, 1), >= 1; 1 leaves the blur of the shift as it is.

    Returns: (B, H, N).

    Raises: ValueError: S is even, or larger than N.
    """
    w = focus_by_content(memory, k, beta)
    w = g * w + (1 - g) * w_tm1  # Eq. 7
    w = shift(w, s)
    return sharpen(w, gamma)


def focus_by_content(memory: Tensor, k: Tensor, beta: Tensor) -> Tensor:
    """Weight each location by its cosine similarity to the key (Eqs. 5, 6), which is 0 for an all-zero row or key."""
    lengths = norm(k)[..., None] * norm(memory)[:, None]  # (B, H, N)
    return torch.softmax(beta * (k @ memory.mT) / lengths, dim=-1)


def shift(w: Tensor, s: Tensor) -> Tensor:
    """Rotate the weighting: circular convolution over N with s (Eq. 8)."""
    reach = check_shifts(s.shape[-1], w.shape[-1])
    moved = torch.stack([w.roll(r, -1) for r in range(-reach, reach + 1)], dim=-1)
    return (moved * s[..., None, :]).sum(-1)


def sharpen(w: Tensor, gamma: Tensor) -> Tensor:
    """Undo the blur that shifting adds (Eq. 9)."""
    # w^gamma / sum of w^gamma, by logarithms: no power underflows to 0/0.
    return torch.softmax(gamma * w.clamp_min(torch.finfo(w.dtype).tiny).log(), dim=-1)


def write(memory: Tensor, w: Tensor, e: Tensor, a: Tensor) -> Tensor:
    """Erase, then add (Eqs. 3, 4); all heads erase before any adds.

    Args:
        memory: (B, N, M). w: (B, W, N). e: (B, W, M), in [0, 1]. a: (B, W, M).
    """
    kept = (1 - w[..., None] * e[..., None, :]).prod(1)
    return memory * kept + w.mT @ a


def read(memory: Tensor, w: Tensor) -> Tensor:
    """Return the weighted sum of the rows (Eq. 2), (B, R, M) for w (B, R, N)."""
    return w @ memory


def norm(x: Tensor) -> Tensor:
    """Return the Euclidean length over the last dimension, 1 for an all-zero vector, whose products are zero anyway."""
    squared = (x * x).sum(-1)
    return torch.where(squared > 0, squared, torch.ones_like(squared)).sqrt()


def check_shifts(shifts: int, locations: int) -> int:
    """Return the reach of a shift weighting.

    Raises: ValueError: the number of shifts is even, or larger than that of locations.
    """
    if shifts % 2 == 0 or shifts > locations:
        raise ValueError(f"need an odd number of shifts, at most {locations}, the memory's locations: {shifts}")
    return shifts // 2
