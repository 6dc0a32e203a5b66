"""Centroids of digits by k-means, which the Parzen estimator prefers to digits."""

import torch
from torch import Tensor


@torch.no_grad()
def centroids(points: Tensor, count: int, rounds: int) -> Tensor:
    """Return centroids (count, D) of points (N, D) by Lloyd's algorithm; it begins with the first points.

    A centroid that no point is nearest to stays where it is.

    Raises: ValueError: there are fewer points than centroids.
    """
    if not 1 <= count <= len(points):
        raise ValueError(f"need from one centroid to as many as points: {count} of {len(points)}")
    centres = points[:count].clone()
    for _ in range(rounds):
        half = centres.square().sum(1) / 2
        nearest = torch.cat([(half - part @ centres.T).argmin(1) for part in torch.split(points, 1000)])
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        sizes = torch.bincount(nearest, minlength=count)[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp_min(1), centres)
    return centres
