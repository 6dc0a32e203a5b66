"""Clipping all gradients of a network by their norm, without a look at the result."""

from functools import partial

import torch

from dmbench.optim.gradient_clipping import clip_by_norm_
from dmbench.peers.gradient_clipping import PEERS

from ._common import _Measured, device_or_skip, with_peers
from ._optimisers import WEIGHTS

IMPLEMENTATIONS = with_peers(partial(clip_by_norm_, error_if_nonfinite=False), PEERS, "by_norm")


class ClippingByNorm(_Measured):
    """One clipping; the first one leaves the gradients at the bound, and the work stays the same."""

    params = (list(WEIGHTS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("weights", "implementation", "device")

    def setup(self, weights, implementation, device):
        self.device = device_or_skip(device)
        parameters = [torch.zeros(shape, device=self.device) for shape in WEIGHTS[weights]]
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        clip = IMPLEMENTATIONS[implementation]
        self.run = lambda: clip(parameters, 1.0)
