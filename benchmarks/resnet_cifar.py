"""CIFAR-10's ResNets (He et al. 2016, arXiv:1512.03385, section 4.2): the paper's batch of 128, and one picture."""

import torch

from dmbench.models.resnet_cifar import ResNetCifar

from ._common import PASSES, _Measured, device_or_skip
from ._networks import with_compiled

CASES = {"20 layers, 128 pictures": (20, 128), "56 layers, 1 picture": (56, 1)}
IMPLEMENTATIONS = with_compiled(ResNetCifar)


class ResNet(_Measured):
    """Inference, and a training step without the optimiser."""

    params = (list(CASES), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("case", "pass", "implementation", "device")
    headline = (("20 layers, 128 pictures", "forward"),)

    def setup(self, case, passes, implementation, device):
        self.device = device_or_skip(device)
        depth, batch = CASES[case]
        net = IMPLEMENTATIONS[implementation](depth).to(self.device)
        if passes == "forward" or batch == 1:
            net.eval()
        self.run = PASSES[passes](net, torch.randn(batch, 3, 32, 32, device=self.device))
