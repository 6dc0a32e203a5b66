"""Bagging: drawing a bootstrap sample, and averaging models' probabilities.

Sizes: MNIST's 60,000 cases; Breiman (1996), section 4: 25 bootstrap samples, here of 10,000 test digits in ten classes.
"""

import torch

from dmbench.regularizers.bagging import average, bootstrap, vote

from ._common import _Measured, device_or_skip


class Bagging(_Measured):
    """ "vote" counts classes, "average" probabilities."""

    params = (["bootstrap", "average", "vote"], ["dmbench"], ["cpu", "cuda"])
    param_names = ("what", "implementation", "device")

    def setup(self, what, implementation, device):
        self.device = device_or_skip(device)
        if what == "bootstrap" and self.device.type != "cpu":
            raise NotImplementedError("samples are drawn on the CPU")
        given = torch.rand(25, 10_000, 10, device=self.device).softmax(-1)
        named = given.argmax(-1)
        self.run = {
            "bootstrap": lambda: bootstrap(60_000),
            "average": lambda: average(given),
            "vote": lambda: vote(named, 10),
        }[what]
