"""Fractional max pooling by torch: windows of one size, of which regions as the paper's are not."""

from torch.nn.functional import fractional_max_pool2d

PEERS = {"torch.nn": {"window_max_pool2d": fractional_max_pool2d}}
