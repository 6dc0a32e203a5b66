"""Dynamic filters as torch has them: a convolution a picture, a product with unfold; and the canonical forms compiled.

Filters with five dimensions belong to a picture, with seven to a place.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, unfold

from dmbench.layers.conv2d import Pair
from dmbench.layers.dynamic_filter import canonical_dynamic_conv2d, canonical_dynamic_local_filter
from dmbench.peers._compiled import compiled as _compiled

_compiled_conv2d, _compiled_local = _compiled(canonical_dynamic_conv2d), _compiled(canonical_dynamic_local_filter)


def torch_nn(x: Tensor, filters: Tensor, stride: Pair = 1, padding: Pair = 0) -> Tensor:
    """Filter x (N, C, H, W) by filters (N, K, C, F, F') or (N, K, C, F, F', O, O'): (N, K, O, O')."""
    if filters.ndim == 5:
        pairs = zip(x.unsqueeze(1), filters, strict=True)
        return torch.cat([conv2d(picture, own, None, stride, padding) for picture, own in pairs])
    columns = unfold(x, (filters.shape[3], filters.shape[4]), padding=padding, stride=stride)
    filtered = (columns.unsqueeze(1) * filters.flatten(2, 4).flatten(3)).sum(2)
    return filtered.view(*filters.shape[:2], *filters.shape[5:])


def compiled(x: Tensor, filters: Tensor, stride: Pair = 1, padding: Pair = 0) -> Tensor:
    """Do the same as the canonical form of ours that fits, through torch.compile."""
    result: Tensor = (_compiled_conv2d if filters.ndim == 5 else _compiled_local)(x, filters, stride, padding)
    return result


PEERS = {
    "torch.nn": {"dynamic_conv2d": torch_nn, "dynamic_local_filter": torch_nn},
    "torch.compile": {"dynamic_conv2d": compiled, "dynamic_local_filter": compiled},
}
