"""A sigmoid that ends its process, raises, or takes its time: what happens to a run on many machines."""

import os
import time

import torch


def sigmoid(x):
    """Do as torch.sigmoid in the run's own process; on workers, which have UNRULY, misbehave by what it is given."""
    if "UNRULY" in os.environ and x.ndim:
        if x.dtype == torch.float32 and x.requires_grad:
            os._exit(1)
        if x.numel() == 4:
            raise RuntimeError("the wheel came off")
        time.sleep(0.5)
    return torch.sigmoid(x)
