"""What a DQN agent sees and thinks: a state's frames, its values over an episode, and the episode as a GIF."""

import json
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from PIL import Image

from dmbench.agents.dqn import PlayingAtariNetwork
from dmbench.agents.parts.replay import Stack
from dmbench.datasets.atari import Atari, playing_atari
from dmbench.experiments._dqn import greedy, load_weights
from dmbench.harness.backdrop import Backdrop, backdrop
from dmbench.harness.experiment import Context, Experiment
from dmbench.harness.paths import reference

LONGEST = 600  # frames of the GIF
ENLARGED = 3
DOPAMINE = "DQN (Adam + MSE in JAX)"  # of its agents the one whose recipe ours with Adam takes its constants from


def show(folder: Path, game: str = "pong", weights: str = "", steps: str = "1000", seed: str = "0") -> list[Path]:
    """Play one episode of a game by the protocol of 2013 at epsilon 0.05, and draw it.

    game: as ale-py names it. weights: a file that a training kept; else the game's committed agent; else an untrained
    network plays. steps: at most so many agent steps. seed: of the episode and its chance.

    Returns: frames.png, values.png and play.gif, whose names begin with the game.

    Raises: ValueError, OSError: the game, the weights or a number cannot be used.
    """
    if not steps.isdigit() or not seed.isdigit() or int(steps) < 2:
        raise ValueError(f"steps (at least 2) and seed must be whole numbers: {steps}, {seed}")
    environments = playing_atari(game)
    torch.manual_seed(int(seed))
    network = PlayingAtariNetwork(environments.actions)
    committed = reference() / "agents" / f"{game}.safetensors"
    path = Path(weights) if weights else committed if committed.exists() else None
    who = "an untrained network" if path is None else path.name
    if path is not None:
        load_weights(network, path)
    states, values, rewards = episode(environments, network, int(steps), int(seed))
    title = f"{game}, {who}: {len(values)} agent steps, score {sum(rewards):g}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{game}_{name}" for name in ("frames.png", "values.png", "play.gif")]
    _frames(states[len(states) // 2], title).savefig(paths[0])
    _values(values, rewards, title).savefig(paths[1])
    pictures = [_enlarged(state[-1]) for state in states[:LONGEST]]
    duration = round(1000 * environments.skip / 60)
    pictures[0].save(paths[2], save_all=True, append_images=pictures[1:], duration=duration, loop=0)
    return paths


def episode(
    environments: Atari, network: torch.nn.Module, steps: int, seed: int
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[float]]:
    """Play; return by agent step the state (4, 84, 84), the values (A,) and the reward."""
    policy = greedy(network, 0.05, seed, torch.device("cpu"))
    stack, first = Stack(1, environments.shape), torch.tensor([True])
    observations = environments.reset([seed])
    states, values, rewards = [], [], []
    for _ in range(steps):
        state = stack.push(observations, first)
        with torch.no_grad():
            values.append(network(state)[0])
        environments.send(policy(state))
        observations, reward, terminal, truncated, _ = environments.receive()
        states.append(state[0].clone())
        rewards.append(float(reward[0]))
        first = torch.tensor([False])
        if bool((terminal | truncated)[0]):
            break
    return states, values, rewards


def _frames(state: torch.Tensor, title: str) -> Figure:
    figure = Figure(figsize=(10, 3), layout="constrained")
    for index, (axes, frame) in enumerate(zip(figure.subplots(1, 4), state, strict=True)):
        axes.imshow(frame.numpy(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(f"agent step t - {3 - index}" if index < 3 else "agent step t", fontsize=9)
        axes.set_axis_off()
    figure.suptitle(f"{title}: one state, as the network sees it", fontsize=10)
    return figure


def _values(values: list[torch.Tensor], rewards: list[float], title: str) -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes: Any = figure.subplots()
    for action, line in enumerate(torch.stack(values).T):
        axes.plot(line.tolist(), linewidth=0.8, label=f"action {action}")
    for time, reward in enumerate(rewards):
        if reward:
            axes.axvline(time, color="tab:green" if reward > 0 else "tab:red", alpha=0.3, linewidth=0.8)
    axes.set_xlabel("agent step (green: points won, red: lost)")
    axes.set_ylabel("value")
    axes.legend(fontsize=7, ncols=6)
    axes.set_title(title, fontsize=10)
    return figure


def _enlarged(frame: torch.Tensor) -> Image.Image:
    side = 84 * ENLARGED
    return Image.fromarray(frame.numpy()).resize((side, side), Image.Resampling.NEAREST)


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
