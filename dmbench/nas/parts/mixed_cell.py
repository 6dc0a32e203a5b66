"""NAS-Bench-201's cell with all of its operations on each edge, mixed by weights.

Source: Liu, Simonyan and Yang (2019), DARTS, arXiv:1806.09055, equation 2, with the operations of NAS-Bench-201 (Dong
and Yang 2020, arXiv:2001.00326, section 2.1). Normalisations neither scale nor shift, and go by the batch's own
statistics, in evaluation too: running ones belong to no cell that the search could choose.

`canonical` is the equation as it is printed, edge by edge, with the project's layers. The cell itself computes the same
in fewer and larger steps, most of which are torch's: edges that leave one node read the same, so it is rectified,
averaged and convolved once for all of them, and normalisation takes the weights of the mixture for its scale.

Shapes: E edges, K operations, L edges that leave one node; nodes (N, C, H, W); weights (E, K).
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d

from dmbench.layers.batch_norm import BatchNorm
from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS
from dmbench.nas.parts.operations import operation

SKIP, SMALL, LARGE, POOL = (
    OPERATIONS.index(name) for name in ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
)
# By node the edges that leave it.
LEAVING = tuple([edge for edge, (_, begin) in enumerate(EDGES) if begin == node] for node in range(max(EDGES)[0]))


def mixture(weights: Tensor, outputs: Sequence[Tensor]) -> Tensor:
    """Return the sum of K outputs of equal shape, weighted. weights: (K)."""
    return torch.stack([weight * output for weight, output in zip(weights, outputs, strict=True)]).sum(0)


class MixedCell(nn.Module):
    """NAS-Bench-201's cell with all five operations on each edge."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operation(name, channels, affine=False) for _ in EDGES for name in OPERATIONS)
        without_statistics(self)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape. weights: softmax of alpha."""
        operations: list[Any] = list(self.operations)
        filters = {kind: [one[1].weight for one in operations[kind :: len(OPERATIONS)]] for kind in (SMALL, LARGE)}
        sums: dict[int, Tensor] = {0: x}
        for node, edges in enumerate(LEAVING):
            chosen = {kind: torch.cat([found[edge] for edge in edges]) for kind, found in filters.items()}
            for edge, arriving in zip(edges, _leaving(sums[node], weights[edges], chosen), strict=True):
                to = EDGES[edge][0]
                sums[to] = sums[to] + arriving if to in sums else arriving
        return sums[len(LEAVING)]

    def canonical(self, x: Tensor, weights: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape as the cell itself does."""
        nodes = [x]
        for edge, (to, source) in enumerate(EDGES):
            arriving = mixture(weights[edge], [one(nodes[source]) for one in self.on(edge)])
            if len(nodes) > to:
                nodes[to] = nodes[to] + arriving
            else:
                nodes.append(arriving)
        return nodes[-1]

    def on(self, edge: int) -> list[nn.Module]:
        """Return the operations of an edge."""
        return list(self.operations)[edge * len(OPERATIONS) :][: len(OPERATIONS)]


def averaged(x: Tensor) -> Tensor:
    """Average each 3 x 3 window of (N, C, H, W) over what lies inside the picture: down, then across."""
    down, across = (_band(size, x.dtype, x.device) for size in x.shape[2:])
    return down @ (x @ across.T)


def without_statistics(net: nn.Module) -> None:
    """Let all normalisations go by the batch's own statistics, in evaluation too."""
    for one in net.modules():
        if isinstance(one, BatchNorm):
            one.running_mean = one.running_var = one.num_batches_tracked = None


def _leaving(x: Tensor, weights: Tensor, filters: dict[int, Tensor]) -> tuple[Tensor, ...]:
    """Return what each of L edges makes of a node. weights: (L, K). filters: by kind (L C, C, F, F)."""
    batch, channels = x.shape[:2]
    rectified = x.relu()
    convolved = torch.cat([conv2d(rectified, filters[SMALL]), conv2d(rectified, filters[LARGE], padding=1)], 1)
    scale = weights.T[[SMALL, LARGE]].reshape(-1, 1).expand(-1, channels).reshape(-1)  # (2 L C)
    normal = batch_norm(convolved, None, None, scale, training=True).view(batch, 2, len(weights), *x.shape[1:]).sum(1)
    skipped, pooled = weights.T[[SKIP, POOL]].view(2, -1, 1, 1, 1)
    mixed = normal + skipped * x[:, None] + pooled * averaged(x)[:, None]  # (N, L, C, H, W)
    return mixed.unbind(1)  # type: ignore[no-any-return]


@cache
def _band(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the averages of three neighbours, two at either end, as a matrix."""
    near = torch.ones(size, size, dtype=dtype, device=device).tril(1).triu(-1)
    return near / near.sum(1, keepdim=True)
