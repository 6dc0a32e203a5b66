"""Inception with batch normalisation, one picture of 224 x 224 (arXiv:1502.03167, Figure 5)."""

import torch

from dmbench.models.inception_bn import InceptionBN

from ._common import PASSES, _Measured, device_or_skip
from ._networks import with_compiled

IMPLEMENTATIONS = with_compiled(InceptionBN)


class Inception(_Measured):
    """Inference; and on a GPU a step on the paper's batch of 32 (section 4.2), without the optimiser."""

    params = (["1 picture", "32 pictures"], list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("case", "pass", "implementation", "device")
    headline = (("1 picture", "forward"),)

    def setup(self, case, passes, implementation, device):
        self.device = device_or_skip(device)
        if (case == "32 pictures") != (passes != "forward" or device == "cuda"):
            raise NotImplementedError("inference takes one picture on a CPU; training, and a GPU, the batch")
        net = IMPLEMENTATIONS[implementation]().to(self.device)
        if passes == "forward":
            net.eval()
        batch = int(case.split()[0])
        self.run = PASSES[passes](net, torch.randn(batch, 3, 224, 224, device=self.device))
