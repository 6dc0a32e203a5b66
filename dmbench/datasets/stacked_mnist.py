"""Stacked MNIST: three digits as the channels of one image, 1,000 modes by their classes.

Source: Metz et al. (2017), Unrolled Generative Adversarial Networks, arXiv:1611.02163, section 3.3.1. Digits are drawn
independently and with replacement, so that all 1,000 are about as likely as their digits are frequent.

Shapes: N images; digits (P, 28, 28) and their labels (P) as `read_mnist` returns them.
"""

import torch
from torch import Tensor

CHANNELS = 3


def stack(images: Tensor, labels: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return stacked images (N, 3, 28, 28), dtype as given, and their classes (N): 100 a + 10 b + c for labels a, b, c.

    Args: images: (P, 28, 28), labels: (P), 0 to 9. chosen: (N, 3), which digit is in each channel.

    Raises: ValueError: shapes that do not fit, or a digit that is not there.
    """
    if chosen.ndim != 2 or chosen.shape[1] != CHANNELS:
        raise ValueError(f"need the numbers of three digits an image, (N, 3): {tuple(chosen.shape)}")
    if images.ndim != 3 or len(images) != len(labels):
        raise ValueError(f"need images (P, H, W) and a label of each: {tuple(images.shape)} and {len(labels)}")
    if chosen.numel() and not 0 <= int(chosen.min()) <= int(chosen.max()) < len(images):
        raise ValueError(f"need digits from 0 to {len(images) - 1}: {int(chosen.min())} to {int(chosen.max())}")
    of_each = labels[chosen].long()
    return images[chosen], 100 * of_each[:, 0] + 10 * of_each[:, 1] + of_each[:, 2]


def draw(images: Tensor, labels: Tensor, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Draw stacked images and their classes, as `stack` returns them; `generator` is of the CPU.

    Raises: ValueError: no digits to draw from, or a count below 1.
    """
    if count < 1 or not len(images):
        raise ValueError(f"need at least one image to draw and a digit to draw from: {count} and {len(images)}")
    chosen = torch.randint(len(images), (count, CHANNELS), generator=generator).to(images.device)
    return stack(images, labels, chosen)
