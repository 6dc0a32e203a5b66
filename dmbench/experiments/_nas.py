"""Searches of NAS-Bench-201: many runs of a strategy, by look-up, and what is reported of their choice.

NAS-Bench-201 gives each strategy 12,000 seconds of simulated training on CIFAR-10 (Table 5). The table here has no
training times. 100 evaluations stand in for that budget: a training of 12 epochs takes about two minutes. What 50 and
150 would give is measured beside it. What a search sees is a `Signal`; what is reported is a `Final`.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from dmbench.datasets.nas_bench_201 import NasBench201, read_nas_bench_201
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject
from dmbench.nas.parts.search import History, search, search_lanes
from dmbench.nas.space import Point, Space, nas_bench_201

EVALUATIONS = 100
BUDGETS = (50, EVALUATIONS, 150)
RUNS, SEEDS = 100, 5  # runs a seed; 500 in all, as in the paper
DATA = ("cifar10", "cifar100", "imagenet16_120")
SPACE = nas_bench_201()
ARTIFACTS = ("nas_bench_201",)

Make = Callable[..., Any]


def strategy(default: Make, name: str = "strategy") -> Subject:
    """Return the part of an experiment that is a strategy."""
    return Subject(
        name=name,
        default=default,
        contract=f"{name}(space, generator) has ask(), which returns a point of the space, and tell(point, accuracy); "
        "one that takes lanes=L as well has ask_all() and tell_all(points, accuracies) for L searches at once",
        check=check_strategy,
    )


def check_strategy(make: Any) -> None:
    """Raise ContractError unless a strategy proposes points of a small space, and takes what they reached."""
    for history in runs(make, SPACE, lambda point: float(sum(point)), count=2, budget=20, seed=0):
        for point in history.points:
            if point not in SPACE:
                raise ContractError(f"proposed {point}, which is no point of {SPACE.name}")


def runs(
    make: Make, space: Space, evaluate: Callable[[Point], float], *, count: int, budget: int, seed: int
) -> list[History]:
    """Run a strategy several times; run i of a seed is the same whatever is run beside it, but for lanes.

    A run may come to propose the same point only: with a table that costs nothing, so patience is the budget.
    """
    if "lanes" in inspect.signature(make).parameters:
        return search_lanes(make(space, _generator(seed, 0), lanes=count), evaluate, budget)
    return [search(make(space, _generator(seed, run)), evaluate, budget, budget) for run in range(count)]


def read_bench(ctx: Context) -> NasBench201:
    """Return the benchmark, read once a process."""
    ((name, path),) = ctx.files("nas_bench_201").items()
    return _read(name, path)


def table_5(ctx: Context, make: Make, count: int = RUNS) -> dict[str, float]:
    """Search CIFAR-10, and report the choice on all three data sets; on CIFAR-10 with the other budgets as well.

    Returns the means over `count` runs, in per cent, and the deviation on CIFAR-10: the keys of `TABLE_5`.
    """
    bench = read_bench(ctx)
    ctx.note(runs=count, evaluations=EVALUATIONS, signal="CIFAR-10 validation accuracy after 12 epochs")
    found = runs(make, SPACE, bench.signal("cifar10"), count=count, budget=max(BUDGETS), seed=ctx.seed or 0)
    reported = {f"{data}_{budget}": finals(found, bench, data, budget) for data in DATA for budget in BUDGETS}
    here = torch.tensor(reported[f"cifar10_{EVALUATIONS}"], dtype=torch.float64)
    means = {key: sum(values) / len(values) for key, values in reported.items()}
    return {
        **{data: means[f"{data}_{EVALUATIONS}"] for data in DATA},
        **{f"cifar10_{budget}": means[f"cifar10_{budget}"] for budget in BUDGETS if budget != EVALUATIONS},
        "cifar10_sd": float(here.std()),
    }


TABLE_5 = (*DATA, "cifar10_50", "cifar10_150", "cifar10_sd")


def finals(found: Sequence[History], bench: NasBench201, data: str, evaluations: int) -> list[float]:
    """Return the test accuracy of what each run chose after so many evaluations, in per cent."""
    test = bench.test(data)
    return [test.of(history.best(evaluations)).percent for history in found]


def _generator(seed: int, run: int) -> torch.Generator:
    return torch.Generator().manual_seed(1_000_003 * seed + run)


@cache
def _read(name: str, path: Path) -> NasBench201:
    return read_nas_bench_201({name: path})
