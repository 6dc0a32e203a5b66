"""The restricted Boltzmann machine, which pretrains a deep autoencoder's layer by contrastive divergence.

Source: Hinton and Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks, Science 313, 504-507,
Eqs. 1 and 2, and its supporting material; rates as in the authors' own code (rbm.m, rbmhidlinear.m):
    dW = rate (<v h>_data - <v h>_reconstruction)

Shapes: N pictures, V visible and H hidden units; v (N, V) in [0, 1]; h (N, H).
"""

import torch
from torch import Tensor, nn

DECAY = 0.0002


class RBM(nn.Module):
    """Logistic visible units, and hidden ones that are binary or, for a code, real with unit variance.

    Args:
        visible, hidden: V and H. linear: whether hidden units are real, their mean linear.

    Raises:
        ValueError: a size is below 1.
    """

    velocity: Tensor
    visible_velocity: Tensor
    hidden_velocity: Tensor

    def __init__(self, visible: int, hidden: int, linear: bool = False) -> None:
        super().__init__()
        if visible < 1 or hidden < 1:
            raise ValueError(f"need at least one visible and hidden unit: {visible}, {hidden}")
        self.linear = linear
        self.weight = nn.Parameter(0.1 * torch.randn(hidden, visible), requires_grad=False)
        self.visible_bias = nn.Parameter(torch.zeros(visible), requires_grad=False)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden), requires_grad=False)
        self.register_buffer("velocity", torch.zeros(hidden, visible))
        self.register_buffer("visible_velocity", torch.zeros(visible))
        self.register_buffer("hidden_velocity", torch.zeros(hidden))

    def up(self, v: Tensor) -> Tensor:
        """Return the hidden units' means (N, H): probabilities, or the real units' own."""
        h = torch.addmm(self.hidden_bias, v, self.weight.T)
        return h if self.linear else torch.sigmoid(h)

    def down(self, h: Tensor) -> Tensor:
        """Return the visible units' probabilities (N, V)."""
        return torch.sigmoid(torch.addmm(self.visible_bias, h, self.weight))

    def draw(self, means: Tensor) -> Tensor:
        """Draw hidden states of their means, from torch's own generator."""
        return means + torch.randn_like(means) if self.linear else torch.bernoulli(means)

    @torch.no_grad()
    def update(self, v: Tensor, rate: float, momentum: float, decay: float = DECAY) -> Tensor:
        """Take one step of contrastive divergence in place; return the mean of its summed squared errors.

        Hidden states are drawn once, all else is means, as in the authors' code. The decay pulls on weights alone.
        """
        h = self.up(v)
        again = self.down(self.draw(h))
        h_again = self.up(again)
        found = (h.T @ v - h_again.T @ again) / len(v) - decay * self.weight
        self.weight.add_(self.velocity.mul_(momentum).add_(found, alpha=rate))
        self.visible_bias.add_(self.visible_velocity.mul_(momentum).add_((v - again).mean(0), alpha=rate))
        self.hidden_bias.add_(self.hidden_velocity.mul_(momentum).add_((h - h_again).mean(0), alpha=rate))
        return (v - again).square().sum(1).mean()
