"""Shrinking all weights of a network, ours and by torch's optimiser; the penalties with their gradients."""

import torch

from dmbench.peers.weight_decay import PEERS
from dmbench.regularizers.weight_decay import l1_penalty, l2_penalty, shrink

from ._common import _Measured, device_or_skip, with_peers
from ._optimisers import WEIGHTS

IMPLEMENTATIONS = with_peers(shrink, PEERS, "shrink")
PENALTIES = {"l2": l2_penalty, "l1": l1_penalty}


class Shrinking(_Measured):
    """Decoupled decay of all weights."""

    stateful = True
    params = (list(WEIGHTS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("weights", "implementation", "device")

    def setup(self, weights, implementation, device):
        self.device = device_or_skip(device)
        made = [torch.randn(*shape, device=self.device) for shape in WEIGHTS[weights]]
        decay = IMPLEMENTATIONS[implementation]
        self.run = lambda: decay(made, 1e-3, 1e-4)


class Penalty(_Measured):
    """A penalty in the loss, and its gradient."""

    params = (list(WEIGHTS), list(PENALTIES), ["dmbench"], ["cpu", "cuda"])
    param_names = ("weights", "penalty", "implementation", "device")

    def setup(self, weights, penalty, implementation, device):
        self.device = device_or_skip(device)
        made = [torch.randn(*shape, device=self.device).requires_grad_() for shape in WEIGHTS[weights]]
        self.run = lambda: torch.autograd.grad(PENALTIES[penalty](made, 1e-4), made)
