"""Gaussian processes by scikit-learn, and the tree-structured Parzen estimator by optuna: the extra `search`."""

import importlib
import warnings
from typing import Any

import torch
from torch import Tensor

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space


def sklearn_regression(
    x: Tensor, y: Tensor, new: Tensor, *, length: float, variance: float, noise: float
) -> tuple[Tensor, Tensor, float]:
    """Regress by GaussianProcessRegressor, its settings left as they are."""
    process = library("sklearn.gaussian_process", "scikit-learn")
    kernel = process.kernels.ConstantKernel(variance) * process.kernels.Matern(length, nu=2.5)
    found = process.GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(x.numpy(), y.numpy())
    mean, deviation = found.predict(new.numpy(), return_std=True)
    likelihood = float(found.log_marginal_likelihood(found.kernel_.theta))
    return torch.from_numpy(mean), torch.from_numpy(deviation), likelihood


class OptunaTPE:
    """optuna's TPE with its defaults; each decision is one of its categories.

    Raises: NotImplementedError: optuna is not installed, or the space is no product.
    """

    def __init__(self, space: Space, generator: torch.Generator | None = None) -> None:
        optuna = library("optuna", "optuna")
        if not space.product:
            raise NotImplementedError(f"optuna's TPE is given products of categories: {space.name} has rules")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seed = int(torch.randint(2**31 - 1, (), generator=generator))
        self.study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self.decisions = space.decisions
        self.waiting: dict[Point, list[Any]] = {}

    def ask(self) -> Point:
        """Propose a point."""
        trial = self.study.ask()
        point = tuple(
            int(trial.suggest_categorical(decision.name, range(len(decision.choices)))) for decision in self.decisions
        )
        self.waiting.setdefault(point, []).append(trial)
        return point

    def tell(self, point: Point, accuracy: float) -> None:
        """Learn what a point reached. Raises: ValueError: it was not proposed, or told as often as it was."""
        if not self.waiting.get(point):
            raise ValueError(f"{point} was not proposed, or was told already")
        self.study.tell(self.waiting[point].pop(0), accuracy)


def library(module: str, name: str) -> Any:
    """Import a module of the extra. Raises: NotImplementedError: it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what other libraries say while they are imported
            return importlib.import_module(module)
    except ImportError as error:
        raise NotImplementedError(f"{name} is not installed: pip install 'dmbench[search]'") from error


PEERS: dict[str, dict[str, Any]] = {
    "scikit-learn": {"regression": sklearn_regression},
    "optuna": {"strategy": OptunaTPE},
}
