"""DCGAN: convolutional generator and discriminator with batch normalisation, and what its latent space is asked.

Source: Radford, Metz and Chintala (2016), Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks, arXiv:1511.06434, section 3 and Figure 1; filters, normalisation and weights as in the authors'
Newmu/dcgan_code, faces/train_uncond_dcgan.py: 5 x 5 filters, stride 2, no biases, no pooling, no hidden layer that is
fully connected; batch normalisation everywhere but at the generator's output and the discriminator's input; weights
N(0, 0.02), gains N(1, 0.02). With side 64 and depth 4 the generator goes from 1,024 maps of 4 x 4 by 512 of 8 x 8, 256
of 16 x 16 and 128 of 32 x 32 to a picture of 3 x 64 x 64 (Figure 1).

Shapes: N images, C channels, S side, Z noise values, uniform within 1 in the paper; images in [-1, 1].
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from dmbench.layers.batch_norm import BatchNorm1d, BatchNorm2d

FILTER = 5
LEAK = 0.2
DEVIATION = 0.02


class DCGenerator(nn.Module):
    """A projection of noise to small maps, and transposed convolutions, each of which doubles the side.

    Args:
        noise, width, channels, side: Z, maps of the last hidden layer, C and S; at least 1.
        depth: how many doublings; each layer has half the maps of the one before. S is a multiple of 2^depth.

    Raises: ValueError: a size is below 1, or the side is no such multiple.
    """

    def __init__(self, noise: int = 100, width: int = 128, channels: int = 3, side: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.start = _start(side, depth, noise, width, channels)
        self.maps = [width * 2**k for k in reversed(range(depth))]
        self.project = nn.Linear(noise, self.maps[0] * self.start**2, bias=False)
        self.norm = BatchNorm1d(self.maps[0] * self.start**2)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, FILTER, 2, FILTER // 2, output_padding=1, bias=False)
            for a, b in zip(self.maps, [*self.maps[1:], channels], strict=True)
        )
        self.norms = nn.ModuleList(BatchNorm2d(maps) for maps in self.maps[1:])
        _begin(self)

    def forward(self, z: Tensor) -> Tensor:
        """Map noise (N, Z) to images (N, C, S, S) in [-1, 1]."""
        h = self.norm(self.project(z)).relu().view(len(z), self.maps[0], self.start, self.start)
        for up, norm in zip(self.up, self.norms, strict=False):
            h = norm(up(h)).relu()
        return torch.tanh(self.up[-1](h))


class DCDiscriminator(nn.Module):
    """Convolutions with stride 2 and leaky rectifiers, and one score of what is left.

    Args: width: maps of the first layer; each further one has twice as many. channels, side, depth: as the generator's.

    Raises: ValueError: as the generator's.
    """

    def __init__(self, width: int = 128, channels: int = 3, side: int = 64, depth: int = 4) -> None:
        super().__init__()
        left = _start(side, depth, width, channels)
        maps = [width * 2**k for k in range(depth)]
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, FILTER, 2, FILTER // 2, bias=False)
            for a, b in zip([channels, *maps[:-1]], maps, strict=True)
        )
        self.norms = nn.ModuleList(BatchNorm2d(count) for count in maps[1:])
        self.score = nn.Linear(maps[-1] * left**2, 1, bias=False)
        _begin(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, S, S) in [-1, 1] to scores (N): log-odds of being data."""
        h = leaky_relu(self.down[0](x), LEAK)
        for down, norm in zip(list(self.down)[1:], self.norms, strict=True):
            h = leaky_relu(norm(down(h)), LEAK)
        scores: Tensor = self.score(h.flatten(1))[:, 0]
        return scores


def interpolate(begin: Tensor, end: Tensor, steps: int) -> Tensor:
    """Return points (steps, Z) evenly on the line from one noise vector (Z) to another, both included (section 6.1).

    Raises: ValueError: fewer than two steps, or vectors that differ in length.
    """
    if steps < 2 or begin.shape != end.shape or begin.ndim != 1:
        raise ValueError(
            f"need two vectors (Z) and at least 2 steps: {tuple(begin.shape)}, {tuple(end.shape)}, {steps}"
        )
    share = torch.linspace(0, 1, steps, dtype=begin.dtype, device=begin.device)[:, None]
    return torch.lerp(begin, end, share)


def analogy(like: Tensor, without: Tensor, other: Tensor) -> Tensor:
    """Return mean(like) - mean(without) + mean(other), (Z): what `like` has and `without` lacks, given to `other`.

    Each concept is the mean of the noise of a few samples that show it (section 6.3.2: three); single samples gave
    unstable results.

    Args: like, without, other: (k, Z) each, with any k of at least 1.

    Raises: ValueError: a concept without samples, or shapes that do not fit.
    """
    concepts = (like, without, other)
    if any(c.ndim != 2 or not len(c) or c.shape[1] != like.shape[1] for c in concepts):
        raise ValueError(f"need samples (k, Z) of three concepts: {', '.join(str(tuple(c.shape)) for c in concepts)}")
    return like.mean(0) - without.mean(0) + other.mean(0)


def around(z: Tensor, count: int, reach: float = 0.25, generator: torch.Generator | None = None) -> Tensor:
    """Return vectors (count, Z), the first z itself, the others with uniform noise within reach (Figure 7).

    Raises: ValueError: a count below 1, or a reach below 0.
    """
    if count < 1 or not reach >= 0:
        raise ValueError(f"need a count of at least 1 and a reach of at least 0: {count} and {reach}")
    noise = reach * (2 * torch.rand(count, len(z), generator=generator, device=z.device, dtype=z.dtype) - 1)
    noise[0] = 0
    return z + noise


def _start(side: int, depth: int, *sizes: int) -> int:
    if min(side, depth, *sizes) < 1:
        raise ValueError(f"need sizes of at least 1: {', '.join(map(str, (side, depth, *sizes)))}")
    if side % 2**depth:
        raise ValueError(f"need a side that is a multiple of 2^depth = {2**depth}: {side}")
    return side // (1 << depth)


@torch.no_grad()
def _begin(net: nn.Module) -> None:
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, DEVIATION)
