"""EAS: a policy that grows a trained network by morphisms, and learns by REINFORCE which growth pays.

Source: Cai, Chen, Zhang, Yu and Wang (2018), Efficient Architecture Search by Network Transformation,
arXiv:1707.04873. From a trained network some are grown, each by a row of transformations that the policy draws
(`dmbench.nas.parts.eas_policy`), and trained a little. With R the reward of the validation accuracy a, a share of 1,
and b a moving average of rewards before,

    R = tan(a pi / 2),    gradient = mean over the batch of (R - b) gradient of log P(transformations)

Differs from the paper: 1. Networks are chains without dense layers (`dmbench.nas.network_morphism`). 2. After each
batch the best network so far is grown next. 3. A network whose training diverged, NaN, counts as accuracy 0. 4. An
accuracy of 1 has no finite reward; rewards are those of at most `HIGHEST`.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any

import torch

from dmbench.nas.network_morphism import Chain, Layer, deepen, widen
from dmbench.nas.parts.eas_policy import Action, Deeper, TransformPolicy, Wider
from dmbench.nas.parts.growth import Growth, segments
from dmbench.nas.parts.kept_chain import packed, unpacked
from dmbench.nas.reinforce import policy_loss
from dmbench.optim.adam import Adam

__all__ = ["EAS", "Action", "Deeper", "Episode", "TransformPolicy", "Wider", "reward", "transform"]

HIGHEST = 0.9999
Episode = list[tuple[tuple[Layer, ...], Action]]  # the layers before each action, and the action


def reward(accuracy: float) -> float:
    """Return tan(a pi / 2) of an accuracy in per cent; NaN counts as 0.

    Raises: ValueError: it is no per cent.
    """
    share = 0.0 if math.isnan(accuracy) else accuracy / 100
    if not 0 <= share <= 1:
        raise ValueError(f"an accuracy is from 0 to 100 %: {accuracy}")
    return math.tan(min(share, HIGHEST) * math.pi / 2)


def transform(
    net: Chain,
    action: Action,
    growth: Growth,
    generator: torch.Generator | None = None,
    *,
    widen: Callable[..., Chain] = widen,
    deepen: Callable[..., Chain] = deepen,
) -> Chain:
    """Return a network after an action, which computes what it did but for the noise of `growth`.

    widen, deepen: as of `dmbench.nas.network_morphism`.
    Raises: ValueError: the limits forbid the action.
    """
    if isinstance(action, Deeper):
        segment = segments(net.layers)
        after = segment.index(action.segment) + action.place - 1 if action.segment in segment else -1
        inside = 0 <= action.place < segment.count(action.segment) and 0 <= action.window < len(growth.windows)
        if after not in growth.room(net.layers) or not inside:
            raise ValueError(f"{action} may not be done to {len(net.layers)} layers")
        return deepen(net, after, growth.windows[action.window])
    wanted = [place for place, flag in enumerate(action.flags) if flag]
    if len(action.flags) != len(net.layers) or not set(wanted) <= set(growth.widenable(net.layers)):
        raise ValueError(f"{action} may not be done to {len(net.layers)} layers")
    for index in wanted:
        net = widen(net, index, growth.wider(net.layers, index), generator, noise=growth.noise)
    return net


class EAS:
    """Propose grown networks, with their weights; be told what each reached once trained; learn from each batch.

    Args:
        first: the network to begin with, to be trained from scratch: it is proposed first.
        policy: by default `TransformPolicy(growth, generator)`. worth: of an accuracy in per cent; by default `reward`.
        deeper, wider: transformations of each network: first so many that insert, then so many that widen.
        batch: networks between two updates. lr: of Adam. decay: how much of the moving average stays, in [0, 1).
        entropy: what an entropy of 1 nat is worth, in rewards. options: of `transform`: widen, deepen.

    Defaults are those of the authors' code, https://github.com/han-cai/EAS.
    Raises: ValueError: an option is out of range.
    """

    def __init__(
        self,
        first: Chain,
        growth: Growth,
        generator: torch.Generator | None = None,
        *,
        policy: Any = None,
        worth: Callable[[float], float] | None = None,
        deeper: int = 5,
        wider: int = 4,
        batch: int = 10,
        lr: float = 0.002,
        decay: float = 0.95,
        entropy: float = 1e-5,
        **options: Any,
    ) -> None:
        if deeper < 0 or wider < 0 or deeper + wider < 1 or batch < 1:
            raise ValueError(f"need a transformation and a batch of at least 1: {deeper}, {wider}, {batch}")
        if not 0 <= decay < 1 or entropy < 0:
            raise ValueError(f"need a decay in [0, 1) and no negative bonus: {decay}, {entropy}")
        self.parent, self.growth, self.generator, self.options = first, growth, generator, options
        self.worth = worth or reward
        self.policy = TransformPolicy(growth, generator) if policy is None else policy
        self.optimiser = Adam(self.policy.parameters(), lr)
        self.kinds: list[type[Action]] = [Deeper] * deeper + [Wider] * wider
        self.batch, self.decay, self.entropy = batch, decay, entropy
        self.baseline: float | None = None
        self.highest: float | None = None  # accuracy of the parent; None: it is not known
        self.best: Chain | None = None  # better than the parent, of this batch
        self.episode: Episode = []
        self.gathered: list[tuple[Episode, float]] = []

    def ask(self) -> Chain:
        """Propose a network: the parent grown anew; it is a copy, and may be trained in place."""
        net = copy.deepcopy(self.parent)
        self.episode = []
        for kind in self.kinds if self.highest is not None else []:
            if kind is Deeper and not self.growth.room(net.layers):
                continue  # a transformation that cannot be done is left out, and has no probability
            action = self.policy.draw(net.layers, kind, self.generator)
            self.episode.append((net.layers, action))
            net = transform(net, action, self.growth, self.generator, **self.options)
        return net

    def tell(self, net: Chain, accuracy: float) -> None:
        """Learn what the network that was proposed last reached, in per cent; NaN where it diverged."""
        worth = self.worth(accuracy)
        known = 0.0 if math.isnan(accuracy) else accuracy
        if self.highest is None:
            self.parent, self.highest = (self.parent if math.isnan(accuracy) else net), known
            return
        if known > self.highest:
            self.best, self.highest = net, known
        self.gathered.append((self.episode, worth))
        if len(self.gathered) == self.batch:
            gathered, self.gathered = self.gathered, []
            self.update(*zip(*gathered, strict=True))
            self.parent, self.best = self.best or self.parent, None

    def update(self, episodes: Sequence[Episode], rewards: Sequence[float]) -> None:
        """Take a step, and then move the baseline; before the first batch that is the batch's own mean."""
        mean = sum(rewards) / len(rewards)
        baseline = mean if self.baseline is None else self.baseline
        judged = [self.judge(episode) for episode in episodes]
        logs, entropies = (torch.stack(parts)[:, None] for parts in zip(*judged, strict=True))
        advantage = torch.tensor(rewards).to(logs)[:, None] - baseline
        loss = policy_loss(logs, advantage, entropies, self.entropy)
        if loss.requires_grad:
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
        self.baseline = self.decay * baseline + (1 - self.decay) * mean

    def judge(self, episode: Episode) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the log-probability and the entropy of a row of transformations; of none, zeros."""
        pairs = [self.policy.judge(layers, action) for layers, action in episode]
        zero = next(iter(self.policy.parameters())).new_zeros(())
        return sum((log for log, _ in pairs), zero), sum((entropy for _, entropy in pairs), zero)

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on, between a network that was told and the next one asked for."""
        return {
            "policy": self.policy.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "values": (self.baseline, self.highest),
            "gathered": [(_plain(episode), worth) for episode, worth in self.gathered],
            "parent": packed(self.parent),
            "best": packed(self.best) if self.best is not None else None,
            "random": self.generator.get_state() if self.generator else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.policy.load_state_dict(state["policy"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.baseline, self.highest = state["values"]
        self.gathered = [(_episode(plain), worth) for plain, worth in state["gathered"]]
        self.parent = unpacked(state["parent"], self.parent)
        self.best = unpacked(state["best"], self.parent) if state["best"] is not None else None
        if self.generator:
            self.generator.set_state(state["random"])


def _plain(episode: Episode) -> list[Any]:
    return [
        ([astuple(layer) for layer in layers], type(action).__name__, astuple(action)) for layers, action in episode
    ]


def _episode(plain: Sequence[Any]) -> Episode:
    kinds: dict[str, Callable[..., Action]] = {"Wider": Wider, "Deeper": Deeper}
    return [(tuple(Layer(*layer) for layer in layers), kinds[kind](*values)) for layers, kind, values in plain]
