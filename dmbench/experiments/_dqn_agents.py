"""Trained agents as files: the weights, and beside them what they are of, so that a file can be told from its content.

`python -m dmbench.experiments._dqn_agents enduro_adam [--results FOLDER] [--seed 0]` makes a file that can be committed
of what a training left in a results folder, and prints what goes with it into artifacts.toml and the paper's file.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from dmbench.agents.dqn import NatureNetwork, PlayingAtariNetwork
from dmbench.harness.paths import reference, results_folder, shown
from dmbench.harness.records import Record, read

LARGEST = 3_000_000  # bytes of a file that may be committed


def facts_of(path: Path) -> dict[str, Any]:
    """Return what an agent's file says of itself: game, steps (agent steps of its training), number, seed, command.

    Raises: ValueError: the file cannot be read as safetensors.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path.name} is no file of weights: {' '.join(str(error).split())}") from error
    return {name: json.loads(text) for name, text in facts.items() if name != "format"}


def network_of(path: Path, actions: int) -> nn.Module:
    """Return the network of the papers whose weights a file has, for so many actions, with these weights.

    Raises: ValueError: the weights are neither network's, or another game's.
    """
    try:
        weights = {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path.name} is no file of weights: {' '.join(str(error).split())}") from error
    shapes = {name: value.shape for name, value in weights.items()}
    for network in (PlayingAtariNetwork(actions), NatureNetwork(actions)):
        if shapes == {name: value.shape for name, value in network.state_dict().items()}:
            network.load_state_dict(weights)
            return network.eval()
    raise ValueError(f"{path.name} has not the weights of the network of 2013 or of 2015 for {actions} actions")


def kept_of(results: Path, game: str) -> Path | None:
    """Return the newest weights that a training on a game left in a results folder, if any."""
    found = (results / "kept").glob(f"dqn-trained_*_{game}-seed*-weights.safetensors")
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def commit(results: Path, number: str, seed: int) -> tuple[Path, Record]:
    """Write reference_results/agents/<game>.safetensors from a training's record and its weights; return both.

    Raises: ValueError: there is no such record, its weights are not there, or are too large.
    """
    records, _ = read(results, ["dqn"])
    mine = [r for r in records if (r.number, r.seed, r.whose) == (number, seed, "dmbench") and "weights" in r.settings]
    if not mine:
        raise ValueError(
            f"{shown(results)} has no training of {number}, seed {seed}: dmbench run dqn --number {number}"
        )
    record = mine[-1]
    kept = results / "kept" / record.settings["weights"]
    if not kept.exists():
        raise ValueError(f"{shown(kept)} is not there, which the record of {number} names")
    game = record.settings["game"]
    facts = {
        "game": game,
        "number": number,
        "steps": record.settings["steps"],
        "optimiser": record.settings["optimiser"],
        "seed": seed,
        "command": f"dmbench run dqn --number {number}",
        "trained_at": record.commit,
    }
    path = reference() / "agents" / f"{game}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(load_file(kept), path, {name: json.dumps(value) for name, value in facts.items()})
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{shown(path)} has {path.stat().st_size:,} bytes, {LARGEST:,} allowed")
    return path, record


def described(path: Path, record: Record) -> str:
    """Return the lines that go with a committed agent: its artifact, and the number that it is scored by."""
    game, content = record.settings["game"], path.read_bytes()
    low, high = record.settings["interval"]
    steps = f"{record.settings['steps']:,} agent steps with {record.settings['optimiser']}"
    return f"""# artifacts.toml
[agent_{game}]
title = "an agent for {game}, {steps}, in half precision"
licence = "Apache-2.0, as dmbench"
made_by = "dmbench run dqn --number {record.number} && python -m dmbench.experiments._dqn_agents {record.number}"
files = [
    {{ name = "agents/{path.name}", bytes = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}" }},
]

# papers/dqn.toml
[numbers.{game}_agent]
value = {record.value:.1f}
unit = "points"
better = "exact"
where = "no paper: the score recorded at the end of this agent's training, {record.number}, seed {record.seed}"
setting = "the committed agent at epsilon 0.05, as 2013 scores; raw scores"
atol = {(high - low) / 2:.1f}
why_atol = "half of the 95 % interval of the recorded score, over {record.settings["episodes"]} episodes"
"""


def main() -> None:
    """Make a committed agent of a training."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("number", help="which training: enduro_adam")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        print(described(*commit(results_folder(given.results), given.number, given.seed)))
    except ValueError as error:
        parser.exit(1, f"dmbench: {error}\n")


if __name__ == "__main__":
    main()
