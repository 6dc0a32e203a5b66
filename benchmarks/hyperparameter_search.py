"""Layouts of 4,096 trials of six hyper-parameters, as many as Bergstra and Bengio (2012) use in a large search."""

import torch

from dmbench.regularizers.hyperparameter_search import Range, grid, random_layout

from ._common import _Measured, device_or_skip

SPACE = {f"p{i}": Range(1e-4, 1, log=bool(i % 2)) for i in range(6)}
LAYOUTS = {
    "grid": lambda: grid(SPACE, dict.fromkeys(SPACE, 4)),
    "random": lambda: random_layout(SPACE, 4**6, torch.Generator().manual_seed(0)),
}


class Layout(_Measured):
    """Make all trials."""

    params = (list(LAYOUTS), ["dmbench"], ["cpu"])
    param_names = ("layout", "implementation", "device")

    def setup(self, layout, implementation, device):
        self.device = device_or_skip(device)
        self.run = LAYOUTS[layout]
