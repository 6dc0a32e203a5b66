"""The PReLU paper's small network, one picture of 224 x 224 (arXiv:1502.01852, Table 1); its batch of 128 on a GPU."""

import torch

from dmbench.models.prelu_net import PReLUNet

from ._common import PASSES, _Measured, device_or_skip
from ._networks import with_compiled

IMPLEMENTATIONS = with_compiled(PReLUNet)


class Network(_Measured):
    """Inference, and a training step without the optimiser: of 75 million parameters, hence only on a GPU."""

    params = (["small, 1 picture", "small, 128 pictures"], list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("case", "pass", "implementation", "device")
    headline = (("small, 1 picture", "forward"),)

    def setup(self, case, passes, implementation, device):
        self.device = device_or_skip(device)
        if device == "cpu" and (passes != "forward" or "128" in case):
            raise NotImplementedError("minutes on a CPU")
        net = IMPLEMENTATIONS[implementation]("small", "channel").to(self.device).train(passes != "forward")
        batch = int(case.split()[1])
        self.run = PASSES[passes](net, torch.randn(batch, 3, 224, 224, device=self.device))
