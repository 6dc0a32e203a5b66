"""An Atari game played without looking: the emulator alone, for players that need no pictures.

Sources: as `dmbench.datasets.atari`, whose protocols it plays. It draws no frames, and does not load the ROM again for
every episode, as the vector environment does: a random player's episodes of Breakout take a third of the time.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from dmbench.datasets.atari import Protocol, check_game


class Emulator:
    """One copy of a game: never a sticky action, the minimal set of actions, the game's own points.

    game: one of `dmbench.datasets.atari.GAMES`, or another of ale-py's. protocol: a paper's.

    Raises: ValueError: unknown game. FileNotFoundError: its ROM is missing.
    """

    def __init__(self, game: str, protocol: Protocol) -> None:
        check_game(game)
        from ale_py import Action, ALEInterface, LoggerMode, roms

        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._ale: Any = ALEInterface()
        self._ale.setFloat("repeat_action_probability", 0.0)
        self._ale.loadROM(str(roms.get_rom_path(game)))
        self._ale.reset_game()  # Beam Rider's second start is not its first; from then on all are alike
        self._actions = self._ale.getMinimalActionSet()
        self._nothing = Action.NOOP
        self.game, self.protocol, self.actions = game, protocol, len(self._actions)

    def episode(self, choices: Iterable[int], noops: int = 0) -> list[int]:
        """Play one episode, from a fresh start; return the reward of each agent step.

        choices: actions in [0, actions), one an agent step; those after the end of the episode are not taken.
        noops: frames of doing nothing before, which do not count towards the protocol's limit.

        Raises: ValueError: an action that the game has not.
        """
        ale, skip, left = self._ale, self.protocol.skip, self.protocol.limit
        ale.reset_game()
        for _ in range(noops):
            ale.act(self._nothing)
        rewards, over = [], False
        for choice in choices:
            if not 0 <= choice < self.actions:
                raise ValueError(f"illegal action {choice}: this game has the actions 0 to {self.actions - 1}")
            action, reward = self._actions[choice], 0
            for _ in range(min(skip, left)):
                reward += ale.act(action)
                left -= 1
                over = bool(ale.game_over())
                if over:
                    break
            rewards.append(reward)
            if over or not left:
                break
        return rewards

    def at_random(self, random: np.random.Generator) -> float:
        """Return the score of an episode in which each action is as likely as any other, after 0 to `noops` no-ops."""
        noops = int(random.integers(self.protocol.noops + 1))
        return float(sum(self.episode(_endless(self.actions, random), noops)))


def _endless(actions: int, random: np.random.Generator) -> Iterable[int]:
    while True:
        yield from random.integers(actions, size=1_000).tolist()
