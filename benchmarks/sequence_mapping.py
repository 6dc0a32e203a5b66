"""Many to many over 32 sequences of 10 to 100 time steps, 128 units, beside torch's packed sequences."""

import torch

from dmbench.models.sequence_mapping import ManyToMany
from dmbench.peers.sequence_mapping import PEERS

from ._common import _Measured, device_or_skip, with_peers

NETS = with_peers(ManyToMany, PEERS, "many_to_many")
LENGTHS = {"all 100": (100,), "10 to 100": tuple(range(10, 101, 10))}


class Train(_Measured):
    """Outputs and gradients."""

    params = (["lstm", "gru"], list(LENGTHS), list(NETS), ["cpu", "cuda"])
    param_names = ("unit", "lengths", "implementation", "device")

    def setup(self, unit, lengths, implementation, device):
        self.device = device_or_skip(device)
        net = NETS[implementation](unit, 64, 128, 10).to(self.device)
        x = torch.randn(100, 32, 64, device=self.device)
        ends = LENGTHS[lengths]
        ends = torch.tensor([ends[i % len(ends)] for i in range(32)], device=self.device)
        weights = list(net.parameters())
        self.run = lambda: torch.autograd.grad(net(x, ends).sum(), weights)
