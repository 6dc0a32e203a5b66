"""What DQN agents see and think: `dmbench show`, the report's pictures, and Dopamine's curves behind ours."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

from dmbench.agents.dqn import NatureNetwork, PlayingAtariNetwork
from dmbench.datasets.atari import GAMES, Atari, nature, playing_atari
from dmbench.experiments import _dqn_look as drawing
from dmbench.experiments._dqn import random_player
from dmbench.experiments._dqn_agents import facts_of, kept_of, network_of
from dmbench.experiments.dqn import AGENTS
from dmbench.harness.drawing import Backdrop, backdrop, picture
from dmbench.harness.experiment import Context, Experiment
from dmbench.harness.paths import reference, results_folder

LONGEST = 600  # agent steps of the GIF of `show`
SHORT = 300  # agent steps of the report's GIFs
SEEN_AFTER = 100  # agent steps of random play
DOPAMINE = "DQN (Adam + MSE in JAX)"  # of its agents the one whose constants our recipe with Adam takes


def show(
    folder: Path, game: str = "pong", weights: str = "", steps: str = "1000", seed: str = "0", results: str = ""
) -> list[Path]:
    """Play one episode of a game by its network's protocol at epsilon 0.05, and draw it.

    game: as ale-py names it. weights: a file that a training kept; else the game's committed agent; else the newest
    weights that a training kept in the results folder; else an untrained network of 2013 plays. steps: at most so many
    agent steps. seed: of the episode and its chance. results: a results folder; else the usual one.

    Returns: frames.png, values.png and play.gif, whose names begin with the game.

    Raises: ValueError, OSError: the game, the weights or a number cannot be used.
    """
    if not steps.isdigit() or not seed.isdigit() or int(steps) < 2:
        raise ValueError(f"steps (at least 2) and seed must be whole numbers: {steps}, {seed}")
    seen = played(game, _weights(game, weights, results), int(steps), int(seed))
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{game}_{name}" for name in ("frames.png", "values.png", "play.gif")]
    drawing.frames(seen).savefig(paths[0], dpi=150)
    drawing.values(seen).savefig(paths[1], dpi=150)
    paths[2].write_bytes(drawing.animated(seen, LONGEST, 3))
    return paths


def _weights(game: str, given: str, results: str) -> Path | None:
    committed = reference() / "agents" / f"{game}.safetensors"
    if given or committed.exists():
        return Path(given) if given else committed
    return kept_of(results_folder(Path(results) if results else None), game)


def played(game: str, weights: Path | None, steps: int, seed: int) -> drawing.Look:
    """Play an episode with the network of a file of weights, or with an untrained one.

    Raises: ValueError, OSError: the game or the weights cannot be used.
    """
    environments = playing_atari(game)
    torch.manual_seed(seed)
    network: nn.Module = PlayingAtariNetwork(environments.actions)
    who = "an untrained network"
    if weights is not None:
        network, trained = network_of(weights, environments.actions), facts_of(weights).get("steps")
        who = f"{weights.name}, trained for {trained:,} agent steps" if trained else weights.name
    if isinstance(network, NatureNetwork):
        environments = nature(game)
    return drawing.look(environments, network, f"{game}, {who}", steps, seed)


@picture()
def seven_games(ctx: Context) -> Figure:
    """What the networks see: the newest of a state's four frames, as 2013 and as 2015 prepare it.

    The seven games after 100 agent steps of random play: above by the protocol of 2013, 84 of 110 rows of every 4th
    frame (3rd of Space Invaders); below by that of 2015, the maximum of two frames, all rows.
    """
    figure = Figure(figsize=(10, 3.5), layout="constrained")
    grid: Any = figure.subplots(2, len(GAMES))
    protocols: dict[int, Callable[[str], Atari]] = {2013: playing_atari, 2015: nature}
    for row, (year, prepare) in zip(grid, protocols.items(), strict=True):
        for axes, game in zip(row, GAMES, strict=True):
            axes.imshow(_after_random_play(prepare(game)), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            if year == 2013:
                axes.set_title(game.replace("_", " "), fontsize=9)
        row[0].set_ylabel(str(year), fontsize=10)
    return figure


def _after_random_play(environments: Atari) -> Any:
    player = random_player(environments.actions, 0)
    observations = environments.reset([0])
    for _ in range(SEEN_AFTER):
        environments.send(player(observations))
        observations = environments.receive().observations
    return observations[0].numpy()


@picture("agent_{game}", over={"game": AGENTS})
def states_of_an_agent(ctx: Context, game: str) -> Figure:
    """{game}: what the committed agent sees at three moments of an episode, and the values it predicts there.

    B is where the best action's value is highest, A and C where it is lowest in the 25 agent steps before and after.
    """
    return drawing.frames(played(game, _only(ctx, game), 1000, 0))


@picture("agent_{game}", over={"game": AGENTS})
def values_of_an_agent(ctx: Context, game: str) -> Figure:
    """{game}: the values that the committed agent predicts in the course of an episode, and its score."""
    return drawing.values(played(game, _only(ctx, game), 1000, 0))


@picture("agent_{game}", over={"game": AGENTS})
def an_agent_playing(ctx: Context, game: str) -> bytes:
    """{game}, played by the committed agent: the first twenty seconds."""
    return drawing.animated(played(game, _only(ctx, game), SHORT, 0), SHORT, 2)


def _only(ctx: Context, game: str) -> Path:
    (path,) = ctx.files(f"agent_{game}").values()
    return path


@backdrop("dopamine_dqn_curves")
def dopamine(ctx: Context, experiment: Experiment) -> Backdrop | None:
    """Draw Dopamine's five seeds behind the training on a game: as context, never as a paper's number.

    Their points are means over the training episodes of 250,000 agent steps, placed where those end.
    """
    game = str(experiment.case.get("game", "")).replace("_", "")
    (path,) = ctx.files("dopamine_dqn_curves").values()
    curves = json.loads(path.read_text(encoding="utf-8"))["curves"]
    if not experiment.name.startswith("trained_") or game not in curves:
        return None
    points = curves[game][DOPAMINE]
    return Backdrop(
        label=f"Dopamine, {DOPAMINE}: interquartile mean of 5 seeds with its 95 % interval; context, not the paper's "
        "number: sticky actions, training returns, one point an iteration of 250,000 agent steps; Apache-2.0",
        clock="agent_steps",
        key="score",
        x=[250_000.0 * (1 + i) for i in range(len(points))],
        runs=[list(run) for run in zip(*points, strict=True)],
    )
