"""A small relation network that answers about scenes of sort-of-CLEVR by their states: what the report shows.

    python -m dmbench.experiments._relation_states relation_states.safetensors

trains it in one or two CPU minutes. It is no paper's network, and no number is measured with it.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from dmbench.datasets.sort_of_clevr import ANSWERS, QUESTION, STATE
from dmbench.experiments._relation_training import Recipe, kept, train_on_scenes
from dmbench.harness.report_pictures import Drawing
from dmbench.models.relation_network import RelationNetwork

RECIPE = Recipe(updates=8000, batch=128, rate=2e-3, evaluate_every=500, save_every=10**9)


@dataclass
class Training(Drawing):
    """A context that keeps the learning curve."""

    points: list[dict[str, float]] = field(default_factory=list)

    def point(self, **values: float) -> None:
        """Add a point."""
        self.points.append(values)

    def progress(self, done: float, total: float) -> None:
        """Tell where it is, now and then."""
        if done % 500 == 0:
            print(f"{done:g} of {total:g} updates", flush=True)


def build() -> RelationNetwork:
    """Build the network: 23,000 parameters."""
    return RelationNetwork(STATE, QUESTION, g=(64,) * 3, f=(64, 64), outputs=len(ANSWERS))


def train(path: Path, recipe: Recipe = RECIPE, scenes: int = 9800, tests: int = 200) -> None:
    """Train it with seed 0 and write weights in half precision, with the learning curve as metadata."""
    torch.manual_seed(0)
    net, ctx = build(), Training("relation_network", {}, seed=0)
    train_on_scenes(ctx, recipe, net, pixels=False, scenes=scenes, tests=tests)
    save_file(kept(net)["tensors"], path, {"curve": json.dumps(ctx.points)})


def read(path: Path) -> tuple[RelationNetwork, list[dict[str, float]]]:
    """Read the network and its learning curve.

    Raises: ValueError: a damaged file, or another network's.
    """
    net = build()
    try:
        with safe_open(path, "pt") as content:
            net.load_state_dict({name: content.get_tensor(name).float() for name in content.keys()})  # noqa: SIM118
            curve = json.loads(content.metadata()["curve"])
    except Exception as error:  # safetensors has its own, torch says RuntimeError
        raise ValueError(f"{path}: damaged, or no network of relation_states ({str(error)[:80]})") from error
    return net.eval(), curve


if __name__ == "__main__":
    train(Path(sys.argv[1]))
