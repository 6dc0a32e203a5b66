"""What DDPG's training runs say together: their sample-efficiency curve, and how two implementations compare."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dmbench.harness.paths import results_folder
from dmbench.harness.records import Record, read
from dmbench.metrics.scores import probability_of_improvement, sample_efficiency, stratified_bootstrap


def show(folder: Path, number: str = "pendulum", results: str = "") -> list[Path]:
    """Draw the score over agent steps of all seeds' newest records: interquartile mean, 95 % stratified bootstrap.

    number: whose experiment trains. results: a results folder; else the usual one. Every implementation that was
    measured by the newest protocol has a line; with two, the probability that ours scores above the other's is told.

    Returns: <number>_sample_efficiency.png and <number>_scores.txt.

    Raises: ValueError: no implementation has records of two seeds with curves of the same points.
    """
    records, _ = read(results_folder(Path(results) if results else None), ["ddpg"])
    runs = {whose: found for whose, found in by_subject(records, number).items() if len(found) > 1}
    if not runs:
        raise ValueError(f"no two seeds of {number} are recorded: dmbench run ddpg --number {number}")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}_sample_efficiency.png", folder / f"{number}_scores.txt"]
    _figure(number, runs).savefig(paths[0])
    paths[1].write_text("\n".join(lines(runs)) + "\n")
    return paths


def by_subject(records: list[Record], number: str) -> dict[str, list[Record]]:
    """Return by implementation the newest record of each seed, of its newest protocol, whose curves can be compared."""
    found: dict[str, list[Record]] = {}
    mine = sorted((r for r in records if r.number == number and len(r.curve) > 0), key=lambda record: record.time)
    for whose in dict.fromkeys(record.whose for record in mine):
        theirs = [record for record in mine if record.whose == whose]
        seeds = {r.seed: r for r in theirs if r.protocol == theirs[-1].protocol and _steps(r) == _steps(theirs[-1])}
        found[whose] = list(seeds.values())
    return found


def lines(runs: dict[str, list[Record]]) -> list[str]:
    """Say the final scores of each implementation, and of two the probability of improvement."""
    scores = {whose: [float(np.mean(record.value)) for record in found] for whose, found in runs.items()}
    said = []
    for whose, values in scores.items():
        value, low, high = stratified_bootstrap(values)
        said.append(f"{whose}: interquartile mean {value:.2f} [{low:.2f}, {high:.2f}] over {len(values)} seeds")
    if len(scores) == 2:
        ours, theirs = scores
        value, low, high = probability_of_improvement(scores[ours], scores[theirs])
        said.append(f"{ours} scores above {theirs} with probability {value:.2f} [{low:.2f}, {high:.2f}]")
    return said


def _steps(record: Record) -> list[float]:
    return [point.get("agent_steps", 0.0) for point in record.curve]


def _figure(number: str, runs: dict[str, list[Record]]) -> Figure:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes: Any = figure.subplots()
    for whose, found in runs.items():
        scores = [[point["score"] for point in record.curve] for record in found]
        curve = sample_efficiency(_steps(found[0]), scores)
        (line,) = axes.plot(curve.steps, curve.value, label=f"{whose}, {len(found)} seeds")
        axes.fill_between(curve.steps, curve.low, curve.high, alpha=0.2, color=line.get_color())
    axes.set_xlabel("agent steps")
    axes.set_ylabel("average score an episode, points, without noise")
    axes.legend(fontsize=8)
    axes.set_title(f"{number}: interquartile mean, 95 % stratified bootstrap", fontsize=10)
    return figure
