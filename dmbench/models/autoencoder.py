"""The deep autoencoder: a stack of layers to a short code and its mirror image back, pretrained layer by layer.

Source: Hinton and Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks, Science 313, 504-507:
784-1000-500-250-30 logistic layers with a linear code, unrolled from restricted Boltzmann machines and fine-tuned by
the reconstruction's cross-entropy; its errors are squared errors, summed over a picture's pixels.

Shapes: N pictures, D pixels, J code values; x (N, D) in [0, 1]; code (N, J); reconstruction (N, D) in (0, 1).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from dmbench.layers.linear import Linear
from dmbench.models.parts.bernoulli import bernoulli_log_likelihood, checked_pixels
from dmbench.models.parts.rbm import RBM

MNIST = (784, 1000, 500, 250, 30)


class Autoencoder(nn.Module):
    """Logistic layers to a linear code, and logistic layers back.

    Args:
        sizes: units from the pixels to the code. Two of them are logistic PCA: a linear code, logistic pixels.

    Raises:
        ValueError: fewer than two sizes, or one below 1; on call, pictures of another number of pixels.
    """

    def __init__(self, sizes: Sequence[int] = MNIST) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"need at least the pixels and the code: {tuple(sizes)}")
        self.encoder = nn.ModuleList(Linear(above, below) for above, below in pairwise(sizes))
        self.decoder = nn.ModuleList(Linear(below, above) for below, above in pairwise(sizes[::-1]))

    @classmethod
    def unrolled(cls, machines: Sequence[RBM]) -> "Autoencoder":
        """Return the autoencoder of a stack of machines: their weights upwards, transposed downwards (Fig. 1)."""
        net = cls([machines[0].weight.shape[1], *(len(machine.weight) for machine in machines)])
        net.to(machines[0].weight).unroll_(machines)
        return net

    @torch.no_grad()
    def unroll_(self, machines: Sequence[RBM]) -> None:
        """Take the weights and biases of a stack of machines, from the pixels up, in place."""
        for up, down, machine in zip(self.encoder, list(self.decoder)[::-1], machines, strict=True):
            up.get_parameter("weight").copy_(machine.weight)
            up.get_parameter("bias").copy_(machine.hidden_bias)
            down.get_parameter("weight").copy_(machine.weight.T)
            down.get_parameter("bias").copy_(machine.visible_bias)

    def encode(self, x: Tensor) -> Tensor:
        """Map pictures (N, D) or (N, ...) to codes (N, J)."""
        h = x.flatten(1)
        for layer in list(self.encoder)[:-1]:
            h = torch.sigmoid(layer(h))
        code: Tensor = self.encoder[-1](h)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Map codes (N, J) to the pixels' logits (N, D)."""
        h = code
        for layer in list(self.decoder)[:-1]:
            h = torch.sigmoid(layer(h))
        logits: Tensor = self.decoder[-1](h)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct pictures: (N, D), probabilities of ink."""
        return torch.sigmoid(self.decode(self.encode(x)))


def squared_error(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Return each picture's squared error, summed over its pixels, (N): the L2 loss, and what the paper prints."""
    return (reconstruction - x.flatten(1)).square().sum(1)


def reconstruction_loss(logits: Tensor, x: Tensor) -> Tensor:
    """Return each picture's cross-entropy -sum_i x_i log p_i + (1 - x_i) log(1 - p_i), (N), nats.

    Raises: ValueError: a pixel is not in [0, 1].
    """
    return -bernoulli_log_likelihood(logits, checked_pixels(x).flatten(1))


def principal_components(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the mean (D) and the first components (count, D), orthonormal, of x (N, D): the best linear autoencoder.

    Raises: ValueError: count is not from 1 to D.
    """
    if x.ndim != 2 or not 1 <= count <= x.shape[1]:
        raise ValueError(f"need x (N, D) and 1 to D components: {tuple(x.shape)}, {count}")
    mean = x.mean(0)
    centred = x - mean
    return mean, torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -count:].flip(1).T


def project(x: Tensor, mean: Tensor, components: Tensor) -> Tensor:
    """Return what is left of x (N, D) in the components: its reconstruction from count values."""
    return torch.addmm(mean, (x - mean) @ components.T, components)
