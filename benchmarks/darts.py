"""The gradient of alpha of a small super-network, by order; and one cell of mixtures beside the equation as printed."""

import torch
from torch.nn.functional import cross_entropy

from dmbench.nas.darts import MixedCell, SuperNet, architecture_gradient

from ._common import _Measured, device_or_skip

ORDERS = {"first": {"rate": 0.0}, "second": {"rate": 0.025}, "second, exact": {"rate": 0.025, "exact": True}}


class ArchitectureGradient(_Measured):
    """One step of the search on 16 pictures of 16 x 16."""

    params = (list(ORDERS), ["dmbench"], ["cpu", "cuda"])
    param_names = ("order", "implementation", "device")

    def setup(self, order, implementation, device):
        self.device = device_or_skip(device)
        torch.manual_seed(0)
        net = SuperNet(channels=8, cells=1).to(self.device)
        x, labels = torch.randn(2, 16, 3, 16, 16), torch.randint(10, (2, 16))
        x, labels = x.to(self.device), labels.to(self.device)
        losses = [lambda part=part: cross_entropy(net(x[part]), labels[part]) for part in range(2)]
        self.run = lambda: architecture_gradient(*losses, net.weights(), net.alpha, **ORDERS[order])


class Cell(_Measured):
    """A cell of mixtures and all its gradients: NAS-Bench-201's first stage at its batch of 64, with half the side."""

    params = (["dmbench", "canonical"], ["cpu", "cuda"])
    param_names = ("implementation", "device")
    own = ("canonical",)

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        cell = MixedCell(16).to(self.device)
        x, upstream = (torch.randn(64, 16, 16, 16, device=self.device) for _ in range(2))
        weights = torch.zeros(6, 5, device=self.device).softmax(-1)
        wanted = [x.requires_grad_(), weights.requires_grad_(), *cell.parameters()]
        forward = cell if implementation == "dmbench" else cell.canonical
        self.run = lambda: torch.autograd.grad(forward(x, weights), wanted, upstream)
