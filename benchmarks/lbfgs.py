"""L-BFGS beside torch's: a call of ten iterations on logistic regression, MNIST's size."""

import torch
from torch.nn.functional import cross_entropy

from dmbench.optim.lbfgs import LBFGS
from dmbench.peers.lbfgs import PEERS

from ._common import _Measured, device_or_skip, with_peers

IMPLEMENTATIONS = with_peers(LBFGS, PEERS, "lbfgs")


class QuasiNewton(_Measured):
    """Ten iterations from zero, of a fixed rate: a line search takes as many steps as rounding decides."""

    stateful = True
    params = (list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("implementation", "device")

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        pictures = torch.rand(1000, 784, device=self.device)
        labels = torch.randint(10, (1000,), device=self.device)
        weights = torch.zeros(10, 784, device=self.device, requires_grad=True)

        def closure():
            optimiser.zero_grad()
            loss = cross_entropy(pictures @ weights.T, labels)
            loss.backward()
            return loss

        def run():
            nonlocal optimiser
            with torch.no_grad():
                weights.zero_()
            optimiser = IMPLEMENTATIONS[implementation]([weights], max_iter=10, lr=0.1)
            return optimiser.step(closure)

        optimiser = None
        self.run = run
