"""Character models: War and Peace's fingerprint, counts, worked examples, and the paper's Table 1 by its recipe."""

from collections.abc import Callable

import torch
from torch import nn

from dmbench.experiments._char_rnn_training import Recipe, keep, read_parts, train
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.char_rnn import CharRNN

RECIPE = Recipe()
SYMBOLS = 87


def check_net(build: Callable[..., nn.Module]) -> None:
    """Raise ContractError unless it maps symbols to scores and carries a state."""
    net = build(7, 5, 2, "lstm")
    scores, state = net(torch.zeros(3, 2, dtype=torch.int64), None)
    if scores.shape != (3, 2, 7):
        raise ContractError(f"returned scores of shape {tuple(scores.shape)}, not (3, 2, 7)")
    if len(state) != 2:
        raise ContractError(f"returned the state of {len(state)} layers, not of 2")
    net(torch.zeros(1, 2, dtype=torch.int64), state)


NET = Subject(
    name="net",
    default=CharRNN,
    contract="f(V, H, layers, unit) builds a module, unit being rnn, lstm or gru; net(x, state) maps symbols (T, B) "
    "int64 and None or the state that it returned to scores (T, B, V) and a tuple of the states after, one a layer",
    check=check_net,
)


@experiment("lstm_1x128", tier="slow", artifacts=("war_and_peace",), subjects=(NET,), seeds=3)
def small_lstm(ctx: Context) -> dict[str, float]:
    """Train one layer of 128 LSTM units on War and Peace, 50 epochs; the test loss of the best validation epoch."""
    vocabulary, parts = read_parts(ctx, RECIPE)
    net = ctx.subject("net")(len(vocabulary), 128, 1, "lstm")
    loss = train(ctx, net, parts, RECIPE)
    keep(ctx, f"char_lstm_1x128_seed{ctx.seed}", net, vocabulary)
    return {"lstm_1x128": loss}
