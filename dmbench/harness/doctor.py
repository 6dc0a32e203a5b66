"""The doctor: what this machine is, what can run here, and what is missing."""

import os
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from dmbench.harness.artifacts import Store, cache_folder
from dmbench.harness.discovery import experiments, papers
from dmbench.harness.environment import commit, environment
from dmbench.harness.errors import RecordsError
from dmbench.harness.experiment import TIERS
from dmbench.harness.paths import shown
from dmbench.harness.records import read

VARIABLES = (
    "DMBENCH_DATA",
    "DMBENCH_MIRROR",
    "DMBENCH_CACHE",
    "DMBENCH_OFFLINE",
    "DMBENCH_RESULTS",
)


def diagnose(results: Path) -> dict[str, Any]:
    """Return the environment, settings, and for each tier how many experiments can run and what the others lack."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    store = Store.from_environment()
    tiers: dict[str, dict[str, Any]] = {tier: {"can_run": 0, "experiments": 0, "missing": []} for tier in TIERS}
    variables = set(VARIABLES)
    for stem in papers():
        for found in experiments(stem):
            variables |= set(found.needs)
            row = tiers[found.tier]
            row["experiments"] += 1
            absent = [f"dmbench data fetch {n}" for n in found.artifacts if not _here(store, n)]
            if found.gpu and device.type != "cuda":
                absent.append("a GPU")
            absent += found.unset
            row["can_run"] += not absent
            row["missing"] += [reason for reason in absent if reason not in row["missing"]]
    revision, dirty = commit()
    return {
        "environment": environment(device),
        "commit": revision + (" with changes" if dirty else ""),
        "settings": {name: os.environ.get(name, "") for name in (*VARIABLES, *sorted(variables - set(VARIABLES)))},
        "cache": str(cache_folder()),
        "results": shown(results),
        "problems": _problems(results),
        "tiers": tiers,
    }


def _here(store: Store, name: str) -> bool:
    return len(store.local(name)) == len(store.artifact(name).files)


def _problems(results: Path) -> list[str]:
    try:
        lines = [str(problem) for problem in read(results)[1]]
        nearest = next(folder for folder in (results.resolve(), *results.resolve().parents) if folder.exists())
        if not os.access(nearest, os.W_OK):
            raise RecordsError(f"results folder {results} cannot be written: choose another with --results")
    except RecordsError as error:
        return [str(error)]
    return lines


def print_diagnosis(diagnosis: dict[str, Any], console: Console) -> None:
    """Print a diagnosis in lines."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    facts = dict(diagnosis["environment"], commit=diagnosis["commit"] or "not a checkout")
    facts |= {name: value for name, value in diagnosis["settings"].items() if value}
    facts |= {"cache": diagnosis["cache"], "results": diagnosis["results"]}
    width = max(map(len, facts))
    for name, fact in facts.items():
        say(f"{name:{width}}  {fact}")
    for line in diagnosis["problems"]:
        say(f"problem: {line}")
    for tier, row in diagnosis["tiers"].items():
        if row["experiments"]:
            missing = f"; missing: {', '.join(row['missing'])}" if row["missing"] else ""
            say(f"{tier}: {row['can_run']} of {row['experiments']} experiments can run here{missing}")
