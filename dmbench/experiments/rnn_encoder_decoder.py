"""The RNN encoder-decoder: its size, its decoder's unit by hand and beside torch's, scores, search; Multi30k."""

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.datasets.parallel_text import EOS, PAD
from dmbench.experiments._recurrent import fill
from dmbench.experiments._translation import Recipe, train
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.parts.attention import AttentionEncoderDecoder
from dmbench.models.parts.search import beam_search
from dmbench.models.rnn_encoder_decoder import RNNEncoderDecoder, Sizes

SMALL, ATTENTION = Recipe(epochs=3), Recipe(epochs=2)
LARGE = Recipe(
    epochs=20, rate=1e-3, batch=128, at_least=2, embedding=256, hidden=512, maxout=512, rank=256, dropout=0.4
)
TINY = Sizes(source=7, target=5, embedding=3, hidden=4, maxout=2, rank=3, std=1.0)


def check_model(build: Callable[[Sizes], Any]) -> None:
    """Raise ContractError unless its likelihoods are probabilities, whichever way they are asked for."""
    net = build(TINY).double().eval()
    source, lengths, target = pairs_of_tiny()
    with torch.no_grad():
        log_p = net(source, lengths, target)
        first, _ = net.step(torch.full_like(lengths, PAD), net.encode(source, lengths))
    if log_p.shape != target.shape or not bool((log_p[target == PAD] == 0).all()):
        raise ContractError(f"returned log p of shape {tuple(log_p.shape)}, not {tuple(target.shape)}, 0 at padding")
    if first.shape != (len(lengths), TINY.target):
        raise ContractError(f"its step returned shape {tuple(first.shape)}, not {(len(lengths), TINY.target)}")
    if not torch.allclose(first.exp().sum(1), torch.ones(len(lengths), dtype=first.dtype)):
        raise ContractError(f"its step returned probabilities with a sum of {float(first.exp().sum(1)[0]):g}, not 1")


MODEL = Subject(
    name="model",
    default=RNNEncoderDecoder,
    contract="f(Sizes) builds a module; model(source (S, B), lengths (B), target (T, B)) returns log p of each target "
    "symbol (T, B), 0 where it is PAD; encode(source, lengths) returns a tuple of tensors, sentences first; "
    "step(y_tm1 (B), tuple) returns log p (B, K) and the tuple after it",
    check=check_model,
)


def pairs_of_tiny() -> tuple[Tensor, Tensor, Tensor]:
    """Return three pairs of sentences of different lengths for models of the size TINY."""
    source = torch.tensor([[3, 4, 5, 6, EOS], [5, EOS, PAD, PAD, PAD], [6, 6, 3, EOS, PAD]]).T
    target = torch.tensor([[3, 4, 3, EOS], [4, EOS, PAD, PAD], [EOS, PAD, PAD, PAD]]).T
    return source, torch.tensor([5, 2, 4]), target


@experiment("weights", tier="quick", subjects=(MODEL,))
def weights(ctx: Context) -> dict[str, float]:
    """Count the weights of the paper's network, without biases, which its equations omit."""
    with torch.device("meta"):
        net = ctx.subject("model")(Sizes())
    return {"weights": sum(p.numel() for p in net.parameters() if p.ndim == 2)}


@experiment("unit", tier="quick")
def unit(ctx: Context) -> dict[str, float]:
    """Compute a step of the decoder by hand: r = (1/2, 1), U' = (1/4, 1/2), g = (1, 1), C c = 1/4, W' e = 1/8."""
    net = by_hand(ctx, hidden=2)
    with torch.no_grad():
        net.u.weight[4] = torch.tensor([0.25, 0.5])
    x = torch.tensor([[0.0, 800.0, -800.0, -800.0, 0.125, 0.0]], dtype=torch.float64, device=ctx.device)
    from_c = torch.zeros_like(x)
    from_c[0, 4] = 0.25
    (g, *_), _ = net.advance(x, (torch.ones_like(x[:, :2]), from_c, x))
    return {"unit": torch.atanh(g[0, 0]).item()}


@experiment("kept", "dropped", tier="quick")
def gates_at_their_ends(ctx: Context) -> dict[str, float]:
    """Measure the gradient from the decoder's state before to that after 100 time steps, or 1, with its gates held.

    kept: update gate open. dropped: update and reset gate shut, so that C c is not seen either.
    """
    measured = {}
    for key, reset, update, steps in (("kept", 0.0, 60.0, 100), ("dropped", -800.0, -800.0, 1)):
        net = by_hand(ctx, hidden=4)
        with torch.no_grad():
            net.u.weight[8:].normal_()
        g = torch.rand(1, 4, dtype=torch.float64, device=ctx.device, requires_grad=True)
        x = torch.tensor([reset, update, 0.5], dtype=torch.float64, device=ctx.device).repeat_interleave(4)[None]
        memory: tuple[Tensor, ...] = (g, torch.rand_like(x), x)
        for _ in range(steps):
            memory, _ = net.advance(x, memory)
        measured[key] = float(torch.autograd.grad(memory[0][0, 0], g)[0][0, 0])
    return measured


@experiment("difference_torch", tier="quick")
def difference_torch(ctx: Context) -> dict[str, float]:
    """Compare the decoder's states with torch.nn.GRU's, whose biases hold C c of the one sentence."""
    sizes = Sizes(source=9, target=9, embedding=6, hidden=8, maxout=2, rank=2, std=0.5)
    net = RNNEncoderDecoder(sizes).to(ctx.device, torch.float64)
    nn.init.normal_(net.w.get_parameter("bias"))
    source = torch.tensor([[3], [4], [EOS]], device=ctx.device)
    g, from_c, code = net.encode(source, torch.tensor([3], device=ctx.device))
    theirs, mine = nn.GRU(6, 8).to(ctx.device, torch.float64), dict(net.named_parameters())
    fill(theirs, [mine["w.weight"], mine["u.weight"], mine["w.bias"], from_c[0]])
    e = torch.randn(20, 1, 6, dtype=torch.float64, device=ctx.device)
    expected, _ = theirs(e, g[None])
    memory: tuple[Tensor, ...] = (g, from_c, code)
    states = []
    for x in net.w(e).unbind():
        memory, _ = net.advance(x, memory)
        states.append(memory[0])
    return {"difference_torch": float((torch.stack(states) - expected).detach().abs().max())}


@experiment("phrase_score", tier="quick", subjects=(MODEL,))
def phrase_score(ctx: Context) -> dict[str, float]:
    """Compare the score of pairs of different lengths with the sum of log p by single steps, each pair alone."""
    net = ctx.subject("model")(TINY).to(ctx.device, torch.float64).eval()
    source, lengths, target = (one.to(ctx.device) for one in pairs_of_tiny())
    worst = 0.0
    with torch.no_grad():
        scores = net(source, lengths, target).sum(0)
        for b, length in enumerate(lengths.tolist()):
            total, symbol = 0.0, PAD
            memory = net.encode(source[:length, b : b + 1], lengths[b : b + 1])
            for wanted in target[:, b][target[:, b] != PAD].tolist():
                log_p, memory = net.step(torch.tensor([symbol], device=ctx.device), memory)
                total, symbol = total + float(log_p[0, wanted]), wanted
            worst = max(worst, abs(float(scores[b]) - total))
    return {"phrase_score": worst}


@experiment("beam_sum", "beam_normalised", tier="quick", subjects=(MODEL,))
def beam(ctx: Context) -> dict[str, float]:
    """Compare a beam that drops nothing with all translations of up to four symbols, by log p and by log p a symbol."""
    net = ctx.subject("model")(TINY).to(ctx.device, torch.float64).eval()
    source, lengths, _ = (one.to(ctx.device) for one in pairs_of_tiny())
    words, longest = range(2, TINY.target), 4
    every = [(*begin, EOS) for count in range(longest) for begin in product(words, repeat=count)]
    target = torch.full((longest, len(every)), PAD, device=ctx.device)
    for column, symbols in enumerate(every):
        target[: len(symbols), column] = torch.tensor(symbols)
    counts = (target != PAD).sum(0)
    measured = {}
    with torch.no_grad():
        for key, normalise in (("beam_sum", False), ("beam_normalised", True)):
            found = beam_search(net, source, lengths, 3**longest, longest, normalise=normalise)
            symbols_found = (found.symbols != PAD).sum(0) if normalise else 1
            worst = 0.0
            for b, value in enumerate((found.log_p / symbols_found).tolist()):
                repeated = source[:, b : b + 1].expand(-1, len(every)), lengths[b : b + 1].expand(len(every))
                log_p = net(*repeated, target).sum(0)
                worst = max(worst, abs(value - float((log_p / counts if normalise else log_p).max())))
            measured[key] = worst
    return measured


@experiment("attention_mean", tier="quick")
def attention_mean(ctx: Context) -> dict[str, float]:
    """Give all symbols of sentences of different lengths the same energy; how far the weights are from 1 / length."""
    net = AttentionEncoderDecoder(TINY).to(ctx.device, torch.float64)
    nn.init.zeros_(net.v_a.weight)
    source, lengths, _ = (one.to(ctx.device) for one in pairs_of_tiny())
    found = net.attention(net.encode(source, lengths)).detach()
    expected = (source != PAD).T / lengths[:, None].double()
    return {"attention_mean": float((found - expected).abs().max())}


@experiment("de_en_bleu", tier="slow", artifacts=("multi30k",), subjects=(MODEL,), seeds=3)
def de_en(ctx: Context) -> dict[str, float]:
    """Train on Multi30k, German to English; BLEU of the 1,000 test sentences, by a beam of 5.

    Differs from the paper: 1. Whole sentences, and no Moses around the network. 2. 192 units, 29,000 pairs, 3 epochs.
    3. Adam and dropout, not Adadelta; weights begin with a deviation of 0.1, not 0.01.
    """
    return {"de_en_bleu": train(ctx, ctx.subject("model"), SMALL, ("de", "en"), "de_en").bleu}


@experiment("en_fr_bleu", tier="slow", artifacts=("multi30k",), subjects=(MODEL,), seeds=3)
def en_fr(ctx: Context) -> dict[str, float]:
    """Train on Multi30k, English to French, as `de_en`; BLEU of the 1,000 test sentences, by a beam of 5."""
    return {"en_fr_bleu": train(ctx, ctx.subject("model"), SMALL, ("en", "fr"), "en_fr").bleu}


@experiment("de_en_attention_bleu", tier="slow", artifacts=("multi30k",), seeds=3)
def de_en_attention(ctx: Context) -> dict[str, float]:
    """Train the extension with attention, German to English, as `de_en` but 2 epochs; BLEU of the test sentences."""
    return {"de_en_attention_bleu": train(ctx, AttentionEncoderDecoder, ATTENTION, ("de", "en"), "attention").bleu}


@experiment("large_nats", tier="full", artifacts=("multi30k",), subjects=(MODEL,), seeds=5, gpu=True)
def large(ctx: Context) -> dict[str, float]:
    """Train the paper's network at 512 units for 20 epochs, German to English; nats a symbol of the test references."""
    return {"large_nats": train(ctx, ctx.subject("model"), LARGE, ("de", "en"), "large").nats}


@experiment("large_attention_bleu", tier="full", artifacts=("multi30k",), seeds=5, gpu=True)
def large_attention(ctx: Context) -> dict[str, float]:
    """Train the extension with attention at 512 units for 20 epochs, German to English; BLEU of the test sentences."""
    found = train(ctx, AttentionEncoderDecoder, LARGE, ("de", "en"), "large_attention")
    return {"large_attention_bleu": found.bleu}


def by_hand(ctx: Context, hidden: int) -> RNNEncoderDecoder:
    """Return a network whose decoder's recurrent weights are zero, to be filled in."""
    sizes = Sizes(source=3, target=3, embedding=1, hidden=hidden, maxout=1, rank=1)
    net = RNNEncoderDecoder(sizes).to(ctx.device, torch.float64)
    nn.init.zeros_(net.u.weight)
    return net
