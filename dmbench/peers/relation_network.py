"""The relation module as it is usually written: a tensor of all pairs with the question, then g layer by layer."""

import torch
from torch import Tensor

from dmbench.models.parts.relation_module import RelationNetwork


class Materialised(RelationNetwork):
    """Ours, with the N x K^2 x (2 D + Q) tensor of pairs; sets of unlike size are not taken."""

    def relations(self, objects: Tensor, question: Tensor, present: Tensor | None = None) -> Tensor:
        """Sum g over pairs: (N, H)."""
        if present is not None and not bool(present.all()):
            raise ValueError("the pairs of sets of unlike size are not made: give sets of one size")
        count = objects.shape[1]
        left = objects[:, :, None].expand(-1, -1, count, -1)
        right = objects[:, None].expand(-1, count, -1, -1)
        asked = question[:, None, None].expand(-1, count, count, -1)
        x = torch.cat([left, right, asked], -1).flatten(1, 2)
        for layer in self.g:
            x = torch.relu(layer(x))
        return x.sum(1)


PEERS = {"materialised": {"relation": Materialised}}
