"""An episode of an agent, looked at: its frames, the values it predicts, its score, and all of it moving, as a GIF.

Time is agent steps. Values are what the network learnt: discounted sums of clipped points. Shapes: T steps, A actions.
"""

import io
import re
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

from dmbench.agents.parts.replay import Stack
from dmbench.datasets.atari import Atari
from dmbench.experiments._dqn import greedy

REACH = 25  # agent steps around the highest value in which the lowest ones before and after it are looked for
SMOOTHED = 5  # agent steps
PARTS = re.compile("(up|down|left|right|fire)")
COLOURS = 32  # of a GIF
GREY, INK, ACCENT = "#8a8f94", "#1b2127", "#d62728"


@dataclass(frozen=True)
class Look:
    """One episode, or its beginning. states: uint8 (T, 4, 84, 84). values: (T, A). chosen: T actions. rewards: T."""

    title: str
    skip: int
    names: list[str]
    states: Tensor
    values: Tensor
    chosen: list[int]
    rewards: list[float]

    @property
    def moments(self) -> dict[str, int]:
        """The step of the highest value, B, off the ends, and of the lowest shortly before it, A, and after it, C.

        Values are averaged over SMOOTHED steps first, so that a flicker of one step is no moment.
        """
        best = self.values.amax(1)
        best = avg_pool1d(best[None], SMOOTHED, 1, SMOOTHED // 2, count_include_pad=False)[0]
        edge = REACH if len(best) > 3 * REACH else 0
        b = edge + int(best[edge : len(best) - edge].argmax())
        before, after = best[max(0, b - REACH) : b + 1], best[b : b + REACH + 1]
        return {"A": b - len(before) + 1 + int(before.argmin()), "B": b, "C": b + int(after.argmin())}


def look(environments: Atari, network: nn.Module, title: str, steps: int, seed: int) -> Look:
    """Play one episode at epsilon 0.05, at most so many agent steps; the title gets its length and score."""
    policy = greedy(network, 0.05, seed, torch.device("cpu"))
    stack, first = Stack(1, environments.shape), torch.tensor([True])
    observations = environments.reset([seed])
    states, values, chosen, rewards = [], [], [], []
    for _ in range(steps):
        state = stack.push(observations, first)
        with torch.no_grad():
            values.append(network(state)[0])
        actions = policy(state)
        environments.send(actions)
        observations, reward, terminal, truncated, _ = environments.receive()
        states.append(state[0].clone())
        chosen.append(int(actions[0]))
        rewards.append(float(reward[0]))
        first = torch.tensor([False])
        if bool((terminal | truncated)[0]):
            break
    said = f"{title}: {len(rewards):,} agent steps, score {sum(rewards):g}"
    names = action_names(environments.game)
    return Look(said, environments.skip, names, torch.stack(states), torch.stack(values), chosen, rewards)


def action_names(game: str) -> list[str]:
    """Return what the game's minimal actions are called, in lower case: up right fire."""
    from ale_py import ALEInterface, LoggerMode, roms

    ALEInterface.setLoggerMode(LoggerMode.Error)
    emulator: Any = ALEInterface()
    emulator.loadROM(roms.get_rom_path(game))
    return [PARTS.sub(r"\1 ", action.name.lower()).strip() for action in emulator.getMinimalActionSet()]


def frames(seen: Look) -> Figure:
    """Draw the states of the three moments, four frames as the network sees them, and the values of the actions."""
    figure = Figure(figsize=(10, 7.2), layout="constrained")
    grid: Any = figure.subplots(len(seen.moments), 5, width_ratios=[1, 1, 1, 1, 1.25])
    for row, (letter, step) in zip(grid, seen.moments.items(), strict=True):
        for back, axes in zip((3, 2, 1, 0), row, strict=False):
            axes.imshow(seen.states[step, 3 - back].numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(f"agent step {step - back}" if step >= back else "before the start", fontsize=9)
        row[0].set_ylabel(letter, rotation=0, fontsize=16, fontweight="bold", labelpad=14, va="center")
        _dots(row[4], seen, step)
    figure.suptitle(seen.title, fontsize=11)
    return figure


def _dots(axes: Any, seen: Look, step: int) -> None:
    values = seen.values[step].tolist()
    colours = [ACCENT if action == seen.chosen[step] else GREY for action in range(len(values))]
    axes.hlines(seen.names, min(values), max(values), color="#e3e5e7", linewidth=0.8)
    axes.scatter(values, seen.names, color=colours, s=36, zorder=2)
    axes.invert_yaxis()
    axes.tick_params(labelsize=9 if len(values) < 10 else 6)
    axes.locator_params(axis="x", nbins=3)
    axes.set_xlabel("value (red: the action taken)", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def values(seen: Look) -> Figure:
    """Draw the values of all actions and the score so far over the episode, with the three moments marked."""
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    colours = colormaps["tab20" if len(seen.names) > 10 else "tab10"].colors  # type: ignore[attr-defined]
    for name, line, colour in zip(seen.names, seen.values.T, colours, strict=False):
        above.plot(line.tolist(), linewidth=0.9, alpha=0.85, label=name, color=colour)
    above.plot(seen.values.amax(1).tolist(), color=INK, linewidth=1.4, label="best action", zorder=3)
    above.set_ylabel("predicted value\n(discounted clipped points)")
    above.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    score = torch.tensor(seen.rewards, dtype=torch.float64).cumsum(0)
    below.step(range(len(score)), score.tolist(), where="post", color=INK, linewidth=1.2)
    below.set_ylabel("score so far\n(points)")
    below.set_xlabel(f"agent steps of {seen.skip} frames, {60 / seen.skip:g} a second")
    for letter, step in seen.moments.items():
        for axes in (above, below):
            axes.axvline(step, color=ACCENT, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
        side = {"A": "right", "B": "center", "C": "left"}[letter]
        above.annotate(letter, (step, 1.01), xycoords=("data", "axes fraction"), ha=side, color=ACCENT, fontsize=11)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
    figure.suptitle(seen.title, fontsize=11)
    return figure


def animated(seen: Look, steps: int, enlarged: int) -> bytes:
    """Return a GIF of the first steps: the newest frame, so many times larger, above the best action's value so far."""
    side, strip = 84 * enlarged, 24 * enlarged
    best = seen.values.amax(1)[:steps]
    low, high = float(best.min()), float(best.max())
    places = [
        (i / max(1, len(best) - 1) * (side - 1), side + strip - 3 - (float(v) - low) / (high - low or 1) * (strip - 20))
        for i, v in enumerate(best)
    ]
    score, pictures = 0.0, []
    for step, (state, value) in enumerate(zip(seen.states[:steps], best, strict=True)):
        picture = Image.new("RGB", (side, side + strip), "#101214")
        frame = Image.fromarray(state[-1].numpy()).resize((side, side), Image.Resampling.NEAREST)
        picture.paste(frame, (0, 0))
        pen = ImageDraw.Draw(picture)
        pen.line(places, fill="#4a5560")
        pen.line(places[: step + 1], fill="#82b4ec")
        pen.text((4, side + 1), f"value {float(value):.2f}   score {score:g}", fill="#dde1e4")
        pictures.append(picture.quantize(COLOURS, dither=Image.Dither.NONE))
        score += seen.rewards[step]
    stream = io.BytesIO()
    pictures[0].save(
        stream, "GIF", save_all=True, append_images=pictures[1:], duration=round(1000 * seen.skip / 60), loop=0
    )
    return stream.getvalue()
