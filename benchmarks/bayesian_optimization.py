"""Bayesian optimisation: what 100 proposals cost, and one process of as many cells."""

import torch

from dmbench.experiments.bayesian_optimization import SETTINGS, regression
from dmbench.nas.bayesian_optimization import BayesianOptimization
from dmbench.nas.parts.encodings import adjacency
from dmbench.peers.bayesian_optimization import PEERS

from ._common import _Measured, device_or_skip, with_peers
from ._nas import EVALUATIONS, SPACE, accuracy, searching

STRATEGIES = with_peers(BayesianOptimization, PEERS, "strategy")
REGRESSIONS = with_peers(regression, PEERS, "regression")
CANDIDATES = 170


class Proposals(_Measured):
    """100 proposals, as many as stand in for NAS-Bench-201's budget."""

    params = (list(STRATEGIES), ["cpu"])
    param_names = ("implementation", "device")

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        STRATEGIES[implementation](SPACE)  # raises where its library is missing
        self.run = searching(STRATEGIES[implementation])


class Posterior(_Measured):
    """Mean, deviation and likelihood: 100 cells told, 170 candidates asked."""

    params = (list(REGRESSIONS), ["cpu"])
    param_names = ("implementation", "device")

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        generator = torch.Generator().manual_seed(0)
        points = list(dict.fromkeys(SPACE.sample(generator) for _ in range(2 * (EVALUATIONS + CANDIDATES))))
        cells = adjacency(SPACE, points)
        told, asked = cells[:EVALUATIONS], cells[EVALUATIONS:][:CANDIDATES]
        y = torch.tensor([accuracy(point) / 100 for point in points[:EVALUATIONS]], dtype=torch.float64)
        regress = REGRESSIONS[implementation]
        self.run = lambda: regress(told, y, asked, **SETTINGS)
        self.run()
