"""Training a character model on War and Peace by the paper's recipe, and judging the best epoch on the test part.

Source: Karpathy, Johnson and Li (2015), arXiv:1506.02078, section 4.2: RMSProp at 2e-3 with decay 0.95, batch 100, 100
time steps, 50 epochs, the rate times 0.95 after each epoch from the tenth on, weights uniform within 0.08, early
stopping on the validation part. Gradients are bounded elementwise by 5 as in the authors' code (char-rnn).

Differs from the paper: 1. The state is zero again at the start of each epoch; char-rnn carries the last one over.
2. The paper chooses dropout for each model on the validation part and prints no choice; here it goes by size.

Shapes: T time steps, B streams; parts (T + 1, B).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf, nan
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dmbench.datasets.text import Parts, Vocabulary, read_war_and_peace, split_streams
from dmbench.experiments._training import Loop
from dmbench.harness.experiment import Context
from dmbench.models.char_rnn import CharRNN, loss_of, nats
from dmbench.optim.gradient_clipping import clip_by_value_
from dmbench.optim.rmsprop import RMSprop


@dataclass(frozen=True)
class Recipe:
    """How a model trains; falls_after: the epoch after which the rate first falls."""

    epochs: int = 50
    rate: float = 2e-3
    decay: float = 0.95
    falls_after: int = 10
    fall: float = 0.95
    streams: int = 100
    steps: int = 100
    bound: float = 5.0

    def rate_in(self, epoch: int) -> float:
        """Return the rate of an epoch, counted from 0."""
        return self.rate * self.fall ** max(0, epoch + 1 - self.falls_after)

    def dropout(self, layers: int, size: int) -> float:
        """Return the probability of dropping: none where a model is too small to learn the text by heart."""
        return 0.0 if size <= 128 else 0.1 if size <= 256 and layers == 1 else 0.2 if size <= 256 else 0.4


class Best:
    """The weights with the least validation loss so far."""

    def __init__(self) -> None:
        self.loss, self.epoch = inf, 0
        self.weights: dict[str, Tensor] = {}

    def see(self, loss: float, epoch: int, net: nn.Module) -> None:
        """Keep the weights if the loss is less than any before."""
        if loss < self.loss:
            self.loss, self.epoch = loss, epoch
            self.weights = {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.loss, self.epoch, self.weights = state["loss"], state["epoch"], dict(state["weights"])


def read_parts(ctx: Context, recipe: Recipe) -> tuple[Vocabulary, Parts]:
    """Return War and Peace's vocabulary and its three parts on the experiment's device."""
    text = read_war_and_peace(ctx.files("war_and_peace"))
    vocabulary = Vocabulary(text)
    parts = split_streams(vocabulary.encode(text), recipe.streams, recipe.steps)
    return vocabulary, Parts(*(part.to(ctx.device) for part in parts))


def train(ctx: Context, net: nn.Module, parts: Parts, recipe: Recipe) -> float:
    """Train in place; leave the network at its best epoch and return its test loss, nats a symbol."""
    net.to(ctx.device)
    optimiser = RMSprop(net.parameters(), recipe.rate, recipe.decay)
    best = Best()
    chunks = (len(parts.train) - 1) // recipe.steps
    # Checkpoints are due at the ends of epochs, where the carried state is dropped anyway.
    loop = Loop(ctx, recipe.epochs * chunks, {"net": net, "optimiser": optimiser, "best": best}, save_every=chunks)
    state: Any = None
    epoch = loop.saved // chunks

    def step(update: int) -> dict[str, Tensor]:
        nonlocal state, epoch
        epoch, chunk = divmod(update, chunks)
        if chunk == 0:
            state = None
            net.train()
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate_in(epoch)
        rows = parts.train[chunk * recipe.steps : (chunk + 1) * recipe.steps + 1]
        optimiser.zero_grad()
        loss, state = loss_of(net, rows[:-1], rows[1:], state)
        # char-rnn adds the gradients of the time steps up, and bounds the sum.
        (loss * recipe.steps).backward()  # type: ignore[no-untyped-call]
        try:
            clip_by_value_(net.parameters(), recipe.bound, error_if_nonfinite=False)
            optimiser.step()
        except FloatingPointError:  # the loop says where, and keeps the checkpoint
            return {"train_loss": torch.full_like(loss, nan)}
        return {"train_loss": loss}

    def evaluate() -> dict[str, float]:
        loss = nats(net, parts.validation, recipe.steps)
        best.see(loss, epoch + 1, net)
        return {"validation_loss": loss}

    loop.run(step, evaluate=evaluate, evaluate_every=chunks)
    net.load_state_dict(best.weights)
    ctx.note(**asdict(recipe), best_epoch=best.epoch, best_validation_loss=best.loss)
    return nats(net, parts.test, recipe.steps)


def keep(ctx: Context, name: str, net: nn.Module, vocabulary: Vocabulary) -> None:
    """Leave the weights in kept/ of the results, with the symbols that they are about."""
    weights = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    ctx.keep(f"{name}.safetensors", save(weights, {"symbols": vocabulary.symbols.hex(), "seed": str(ctx.seed)}))


def load(path: Path) -> tuple[CharRNN, Vocabulary]:
    """Return the LSTM and the vocabulary that a training left in a file."""
    with safe_open(path, "pt") as content:
        weights = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        vocabulary = Vocabulary(bytes.fromhex(content.metadata()["symbols"]))
    layers = sum(name.endswith("weight_hh_l0") for name in weights)
    net = CharRNN(len(vocabulary), weights["scores.weight"].shape[1], layers)
    net.load_state_dict(weights)
    return net.eval(), vocabulary
