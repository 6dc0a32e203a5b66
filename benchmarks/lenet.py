"""LeNets in inference and training, in batches of 64, as Caffe's example trains them; no other library has them."""

import torch

from dmbench.models.lenet import LeNet5, LeNet5Caffe, LeNet300

from ._common import PASSES, _Measured, device_or_skip

NETWORKS = {"lenet-300-100": (LeNet300, 28), "lenet-5 caffe": (LeNet5Caffe, 28), "lenet-5 1998": (LeNet5, 32)}


class LeNet(_Measured):
    """Backward gives the gradients of all parameters."""

    params = (list(NETWORKS), list(PASSES), ["dmbench"], ["cpu", "cuda"])
    param_names = ("network", "pass", "implementation", "device")

    def setup(self, network, direction, implementation, device):
        self.device = device_or_skip(device)
        build, side = NETWORKS[network]
        net = build().to(self.device)
        self.run = PASSES[direction](net, torch.rand(64, 1, side, side, device=self.device))
