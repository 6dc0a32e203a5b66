"""Character models: War and Peace's fingerprint, counts, worked examples, and the paper's Table 1 by its recipe."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.datasets.text import Vocabulary, read_war_and_peace
from dmbench.experiments._char_rnn_training import Recipe, keep, load, read_parts, train
from dmbench.experiments._recurrent import fill
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.char_rnn import CharRNN, loss_of, nats, tempered
from dmbench.peers.char_rnn import TorchCharRNN

RECIPE = Recipe()
SYMBOLS = 87
SIZES = {"lstm": (64, 128, 256, 512), "rnn": (64, 128, 256), "gru": (64, 128, 256, 512)}
# All of Table 1 but the model that the slow tier trains.
MODELS = tuple(
    f"{unit}_{layers}x{size}"
    for unit, sizes in SIZES.items()
    for size in sizes
    for layers in (1, 2, 3)
    if (unit, layers, size) != ("lstm", 1, 128)
)
# The lectures' network that reads "hell" and is to write "ello": its scores of h, e, l, o, and the targets.
HELLO = ((1.0, 2.2, -3.0, 4.1), (0.5, 0.3, -1.0, 1.2), (0.1, 0.5, 1.9, -1.1), (0.2, -1.5, -0.1, 2.2))
ELLO = (1, 2, 2, 3)


def check_net(build: Callable[..., Any]) -> None:
    """Raise ContractError unless it scores symbols, carries a state, and has the parameters of torch's layers."""
    net = build(7, 5, 2, "lstm")
    fill(net, list(TorchCharRNN(7, 5, 2, "lstm").parameters()))
    x = torch.arange(6).view(3, 2)
    whole, _ = net(x, None)
    if whole.shape != (3, 2, 7):
        raise ContractError(f"returned scores of shape {tuple(whole.shape)}, not (3, 2, 7)")
    _, state = net(x[:1], None)
    if len(state) != 2:
        raise ContractError(f"returned the state of {len(state)} layers, not of 2")
    rest, _ = net(x[1:], state)
    if not torch.allclose(rest, whole[1:], atol=1e-5):
        raise ContractError("scores after a state are not those after the symbols that it comes from")


NET = Subject(
    name="net",
    default=CharRNN,
    contract="f(V, H, layers, unit, dropout=0) builds a module, unit being rnn, lstm or gru, with the parameters of "
    "torch.nn's layers and a Linear in this order; net(x, state) maps symbols (T, B) int64 and None or the state "
    "that it returned to scores (T, B, V) and a tuple of the states after, one a layer",
    check=check_net,
)


@experiment("characters", "symbols", tier="quick", artifacts=("war_and_peace",))
def fingerprint(ctx: Context) -> dict[str, float]:
    """Count War and Peace's characters and how many of them are unlike."""
    text = read_war_and_peace(ctx.files("war_and_peace"))
    return {"characters": len(text), "symbols": len(Vocabulary(text))}


@experiment("parameters_{unit}", tier="quick", subjects=(NET,), over={"unit": ("rnn", "lstm", "gru")})
def parameters(ctx: Context, unit: str) -> dict[str, float]:
    """Count the parameters of one layer of 128 units."""
    return {f"parameters_{unit}": sum(p.numel() for p in ctx.subject("net")(SYMBOLS, 128, 1, unit).parameters())}


@experiment("perplexity_uniform", tier="quick", subjects=(NET,))
def uniform(ctx: Context) -> dict[str, float]:
    """Measure the perplexity of a network whose weights are all zero, on any text."""
    net = ctx.subject("net")(SYMBOLS, 8, 1, "lstm").to(ctx.device)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    part = torch.randint(0, SYMBOLS, (31, 4)).to(ctx.device)
    return {"perplexity_uniform": 2.718281828459045 ** nats(net, part, 7)}


@experiment("hello_step1", "hello_step2", "hello_step3", "hello_step4", tier="quick")
def hello(ctx: Context) -> dict[str, float]:
    """Turn the scores of the lectures' "hello" network into the probabilities of what it is to write."""
    p = tempered(torch.tensor(HELLO, dtype=torch.float64), 1.0)
    return {f"hello_step{t}": float(p[t - 1, target]) for t, target in enumerate(ELLO, 1)}


@experiment("temperature_half", "temperature_zero", "temperature_infinite", tier="quick")
def temperatures(ctx: Context) -> dict[str, float]:
    """Temper the distribution 1/8, 2/8, 5/8; give the probability of its likeliest symbol."""
    scores = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).log()
    return {
        f"temperature_{name}": float(tempered(scores, temperature)[2])
        for name, temperature in (("half", 0.5), ("zero", 0.0), ("infinite", float("inf")))
    }


@experiment("difference_torch", tier="quick", subjects=(NET,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn's layers on two chunks of text: loss and gradients, vanilla and LSTM, two layers."""
    x = torch.randint(0, 11, (21, 3)).to(ctx.device)
    worst = 0.0
    for unit in ("rnn", "lstm"):
        theirs = TorchCharRNN(11, 16, 2, unit).to(ctx.device, torch.float64)
        net = ctx.subject("net")(11, 16, 2, unit).to(ctx.device, torch.float64)
        fill(net, list(theirs.parameters()))
        for mine, his in zip(_two_chunks(net, x), _two_chunks(theirs, x), strict=True):
            worst = max(worst, float((mine - his).abs().max() / his.abs().max()))
    return {"difference_torch": worst}


def _two_chunks(net: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the loss of the second chunk after the state of the first, and its gradients."""
    _, state = loss_of(net, x[:10], x[1:11])
    loss, _ = loss_of(net, x[10:20], x[11:21], state)
    return [loss.detach(), *torch.autograd.grad(loss, list(net.parameters()))]


@experiment("kept_test_loss", tier="quick", artifacts=("war_and_peace", "char_lstm_1x128"))
def kept(ctx: Context) -> dict[str, float]:
    """Score the committed network, one layer of 128 LSTM units, on the test part."""
    (path,) = ctx.files("char_lstm_1x128").values()
    net, _ = load(path)
    _, parts = read_parts(ctx, RECIPE)
    return {"kept_test_loss": nats(net.to(ctx.device), parts.test, RECIPE.steps)}


@experiment("lstm_1x128", tier="slow", artifacts=("war_and_peace",), subjects=(NET,), seeds=3)
def small_lstm(ctx: Context) -> dict[str, float]:
    """Train one layer of 128 LSTM units on War and Peace, 50 epochs; the test loss of the best validation epoch."""
    return {"lstm_1x128": trained(ctx, "lstm_1x128")}


@experiment("{model}", tier="full", artifacts=("war_and_peace",), subjects=(NET,), seeds=3, over={"model": MODELS})
def table(ctx: Context, model: str) -> dict[str, float]:
    """Train one model of Table 1 on War and Peace, 50 epochs; the test loss of the best validation epoch."""
    return {model: trained(ctx, model)}


def trained(ctx: Context, model: str, recipe: Recipe = RECIPE) -> float:
    """Train a model of Table 1, as "lstm_2x512", keep its weights, and return its test loss."""
    unit, layers, size = model.replace("x", "_").split("_")
    vocabulary, parts = read_parts(ctx, recipe)
    p = recipe.dropout(int(layers), int(size))
    ctx.note(dropout=p)
    net = ctx.subject("net")(len(vocabulary), int(size), int(layers), unit, dropout=p)
    loss = train(ctx, net, parts, recipe)
    keep(ctx, f"char_{model}_seed{ctx.seed}", net, vocabulary)
    return loss
