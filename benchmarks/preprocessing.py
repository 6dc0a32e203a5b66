"""ZCA whitening of colour pictures of 16 x 16: CIFAR-10's own 3,072 values (Krizhevsky 2009) take minutes to fit.

It is applied to a batch of 128 (He et al. 2016, section 4.2).
"""

import torch

from dmbench.peers.preprocessing import PEERS
from dmbench.regularizers.preprocessing import fit_whitening

from ._common import _Measured, device_or_skip, with_peers

IMPLEMENTATIONS = with_peers(fit_whitening, PEERS, "fit_whitening")


class Whitening(_Measured):
    """Fitting to 2,000 examples, or whitening a batch, float32."""

    params = (["fit, 768 values", "apply, 768 values"], list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("case", "implementation", "device")

    def setup(self, case, implementation, device):
        self.device = device_or_skip(device)
        if device != "cpu" and implementation == "numpy":
            raise NotImplementedError("numpy computes on the CPU")
        x = torch.randn(2000, 3, 16, 16, device=self.device)
        fit = IMPLEMENTATIONS[implementation]
        if case.startswith("fit"):
            self.run = lambda: fit(x, "zca", 0.1)
            return
        whiten, batch = fit(x, "zca", 0.1), x[:128]
        self.run = lambda: whiten(batch)
