"""Atari 2600 games as the two DQN papers show them to an agent, on ale-py's vector environment (C++).

Sources: Mnih et al. (2013), arXiv:1312.5602, sections 4.1 and 5; Mnih et al. (2015), doi 10.1038/nature14236, Methods
(Preprocessing, Training details, Evaluation procedure) and Extended Data Table 1. Time is frames of the emulator, 60 a
second, or agent steps of `skip` frames each. Shapes: N environments; frames are uint8 (N, 84, 84), one an agent step.

Rewards are the game's own points: who trains clips them (`dmbench.agents.dqn.clip_rewards`), who scores does not.
Sticky actions are off, the actions are the game's minimal set, and nothing fires at the start of an episode.
"""

import difflib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmbench.datasets.environments import Step, check_actions

GAMES = ("beam_rider", "breakout", "enduro", "pong", "qbert", "seaquest", "space_invaders")
HOUR = 60 * 60 * 60  # frames


@dataclass(frozen=True)
class Protocol:
    """How a paper shows a game.

    skip: frames an action is held for; the last one is seen. limit: frames after which an episode is truncated, no-ops
    not counted. maximum: see the maximum of the last two frames. noops: at most so many frames of doing nothing at the
    start, each number from 0 as likely. height: rows a screen is shrunk to. top: the first of the 84 that are kept.
    """

    skip: int
    limit: int
    maximum: bool = False
    noops: int = 0
    height: int = 84
    top: int = 0


def protocol_2013(game: str, skip: int | None = None) -> Protocol:
    """Return the protocol of `playing_atari`."""
    frames = (3 if game == "space_invaders" else 4) if skip is None else skip
    return Protocol(skip=frames, height=110, top=18, limit=HOUR // 2)


def protocol_2015(skip: int = 4, minutes: float = 30) -> Protocol:
    """Return the protocol of `nature`."""
    return Protocol(skip=skip, maximum=True, noops=30, limit=round(minutes * HOUR / 60))


def playing_atari(game: str, count: int = 1, *, skip: int | None = None) -> "Atari":
    """Return `count` environments as the paper of 2013 shows them.

    Every 4th frame is seen, every 3rd of Space Invaders, whose lasers blink out of sight at 4 (section 5). It is turned
    to luminance, shrunk to 110 x 84, and cropped to 84 x 84. No maximum over frames, no no-op starts; the end of a life
    is not the end of an episode.

    Differs from the paper: 1. it does not say which rows it keeps; here 18 to 101, which hold the playing area.
    2. Shrinking is by area. 3. Episodes are cut after half an hour of play, for a game that nobody loses.

    Raises: ValueError: unknown game. FileNotFoundError: its ROM is missing.
    """
    return Atari(game, count, **asdict(protocol_2013(game, skip)))


def nature(game: str, count: int = 1, *, skip: int = 4, minutes: float = 30) -> "Atari":
    """Return `count` environments as the paper of 2015 shows them.

    Every 4th frame is seen, as the maximum over it and the frame before; it is turned to luminance and shrunk to
    84 x 84. An episode begins with at most 30 frames of doing nothing, and is cut after `minutes`: 5 in the paper's
    evaluation, where its random player acts on every 6th frame. In training the loss of a life ends an episode for the
    learner, who sees it in `Step.lives`; the game goes on.

    Differs from the paper: 1. the maximum is taken after the turn to luminance, not before. 2. Shrinking is by area.

    Raises: ValueError: unknown game. FileNotFoundError: its ROM is missing.
    """
    return Atari(game, count, **asdict(protocol_2015(skip, minutes)))


class Atari:
    """N copies of a game (dmbench.datasets.environments.Environments), shown as a `Protocol` with these fields says."""

    shape: tuple[int, ...] = (84, 84)
    dtype = torch.uint8

    def __init__(
        self,
        game: str,
        count: int = 1,
        *,
        skip: int,
        limit: int,
        maximum: bool = False,
        noops: int = 0,
        height: int = 84,
        top: int = 0,
    ) -> None:
        check_game(game)
        from ale_py import ALEInterface, LoggerMode
        from ale_py.vector_env import AtariVectorEnv

        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._env: Any = AtariVectorEnv(
            game,
            count,
            num_threads=min(count, torch.get_num_threads()),
            max_num_frames_per_episode=limit,
            repeat_action_probability=0.0,
            full_action_space=False,
            img_height=height,
            img_width=84,
            stack_num=1,
            frameskip=skip,
            maxpool=maximum,
            noop_max=noops + 1 if noops else 0,  # the emulator's own bound is exclusive
            episodic_life=False,
            life_loss_info=False,
            reward_clipping=False,
            use_fire_reset=False,
        )
        self.game, self.count = game, count
        self.skip, self.maximum, self.noops, self.limit = skip, maximum, noops, limit
        space: Any = self._env.single_action_space
        self.actions = int(space.n)
        self._rows = slice(top, top + 84)

    def reset(self, seeds: Sequence[int]) -> Tensor:
        return self.restart(torch.ones(self.count, dtype=torch.bool), seeds)

    def restart(self, which: Tensor, seeds: Sequence[int]) -> Tensor:
        frames, _ = self._env.reset(
            seed=np.asarray(seeds, dtype=np.int64), options={"reset_mask": which.cpu().numpy().astype(np.bool_)}
        )
        return self._frames(frames)

    def send(self, actions: Tensor) -> None:
        check_actions(actions, self.count, self.actions)
        self.begin(actions.cpu().numpy().astype(np.int64))

    def receive(self) -> Step:
        frames, rewards, terminal, truncated, lives = self.end()
        over = torch.tensor(terminal)
        return Step(
            torch.tensor(frames),
            torch.tensor(rewards, dtype=torch.float64),
            over,
            torch.tensor(truncated) & ~over,
            torch.tensor(lives, dtype=torch.int64),
        )

    def begin(self, actions: np.ndarray) -> None:
        """Begin one step by actions that were checked."""
        self._env.send(actions)

    def end(self) -> tuple[np.ndarray, ...]:
        """Wait for it; return frames, rewards, terminal, truncated and lives as they come from the emulator."""
        frames, rewards, terminal, truncated, info = self._env.recv()
        return frames[:, 0, self._rows], rewards, terminal, truncated, info["lives"]

    def _frames(self, screens: np.ndarray) -> Tensor:
        return torch.tensor(screens[:, 0, self._rows])


def check_game(game: str) -> None:
    """Raise unless ale-py has the game and its ROM.

    Raises: ValueError: unknown game, with the nearest names. FileNotFoundError: the ROM is missing or another file.
    """
    from ale_py import roms

    known = sorted(roms.get_all_rom_ids())
    if game not in known:
        close = difflib.get_close_matches(game.lower().replace("-", "_"), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"the papers' are {', '.join(GAMES)}"
        raise ValueError(f"unknown game {game}: {hint}")
    mend = "unset ALE_ROMS_DIR" if "ALE_ROMS_DIR" in os.environ else "pip install --force-reinstall ale-py"
    try:
        path = roms.get_rom_path(game)
    except (OSError, NotADirectoryError) as error:
        reason = "is damaged" if "hash" in str(error) else "is missing"
        raise FileNotFoundError(f"the ROM of {game} {reason}: {mend}") from error
    if path is None or not Path(path).exists():
        raise FileNotFoundError(f"the ROM of {game} is missing: {mend}")
