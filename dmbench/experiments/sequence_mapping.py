"""Wirings of recurrent layers: networks whose weights are set by hand, and how far many to many is from torch's."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.experiments._recurrent import fill
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.sequence_mapping import ManyToMany, ManyToOne, OneToMany, SequenceToSequence
from dmbench.peers.sequence_mapping import TorchManyToMany

LENGTHS = (7, 3, 9, 3, 1)
BITS, REPEATED = (0, 1, 0, 1, 1, 1, 0, 1, 1), (0, 0, 0, 0, 1, 1, 0, 0, 1)


def check_mapping(build: Callable[..., Any]) -> None:
    """Raise ContractError unless it keeps to the lengths and has the parameters of torch's layer and a Linear."""
    net = build("lstm", 3, 4, 2)
    fill(net, list(TorchManyToMany("lstm", 3, 4, 2).parameters()))
    out = net(torch.ones(4, 2, 3), torch.tensor([4, 2]))
    if out.shape != (4, 2, 2) or out[2:, 1].any():
        raise ContractError(f"returned shape {tuple(out.shape)}, not (4, 2, 2), or outputs beyond a sequence's end")


MAPPING = Subject(
    name="many_to_many",
    default=ManyToMany,
    contract="f(unit, I, H, O) builds a module, unit being rnn, lstm or gru, with the parameters of torch.nn's layer "
    "and a Linear in this order; net(x, lengths) maps x (T, B, I) and lengths (B) to (T, B, O), 0 beyond a "
    "sequence's end",
    check=check_mapping,
)


@experiment("repeated_ones", tier="quick")
def lecture(ctx: Context) -> dict[str, float]:
    """Run the lectures' network that tells where a 1 follows a 1, its weights set by hand, over nine bits."""
    net = ManyToMany("rnn_relu", 1, 3, 1).to(ctx.device)
    # The hidden state holds the bit now, the bit before, and a 1.
    _set(net, [[1.0], [0], [0]], [[0.0, 0, 0], [1, 0, 0], [0, 0, 1]], [[1.0, 1, -1]])
    state = torch.tensor([0.0, 0, 1]).view(1, 1, 3).to(ctx.device)
    bits = torch.tensor(BITS, dtype=torch.float32).view(-1, 1, 1).to(ctx.device)
    out = net(bits, state=state).relu().flatten()
    return {"repeated_ones": int((out.cpu() == torch.tensor(REPEATED)).sum())}


@experiment("sum_to_ten", "fifth_half", "sum_then_half", tier="quick")
def by_hand(ctx: Context) -> dict[str, float]:
    """Add 1 to 10 by many to one, halve 1 five times by one to many, and do both one after the other."""
    add = _set(ManyToOne("rnn_identity", 1, 1, 1), [[1.0]], [[1.0]], [[1.0]]).to(ctx.device)
    halve = _set(OneToMany("rnn_identity", 1, 1, 1), [[0.5]], [[0.5]], [[1.0]]).to(ctx.device)
    both = SequenceToSequence("rnn_identity", 1, 1, 1).to(ctx.device)
    both.reader.load_state_dict(add.layer.state_dict())
    both.writer.load_state_dict(halve.state_dict())
    numbers = torch.arange(1.0, 13).view(-1, 1, 1).to(ctx.device)
    ten = torch.tensor([10], device=ctx.device)  # the last two are beyond the end
    return {
        "sum_to_ten": float(add(numbers, ten).detach()),
        "fifth_half": float(halve(torch.ones(1, 1, device=ctx.device), 5)[-1].detach()),
        "sum_then_half": float(both(numbers, 5, ten)[-1].detach()),
    }


def _set(net: Any, w_ih: Any, w_hh: Any, w_o: Any) -> Any:
    """Set a network's three matrices; its biases become 0."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for parameter, values in zip(
            (*list(net.layer.parameters())[:2], net.scores.weight), (w_ih, w_hh, w_o), strict=True
        ):
            parameter.copy_(torch.tensor(values))
    return net


@experiment("difference_torch", tier="quick", subjects=(MAPPING,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn's layers on packed sequences of five lengths: outputs and all gradients."""
    ctx.note(lengths=list(LENGTHS))
    x = torch.randn(max(LENGTHS), len(LENGTHS), 6).to(ctx.device, torch.float64)
    up = torch.randn(max(LENGTHS), len(LENGTHS), 3).to(ctx.device, torch.float64)
    worst = 0.0
    for unit in ("rnn", "lstm", "gru"):
        theirs = TorchManyToMany(unit, 6, 8, 3).to(ctx.device, torch.float64)
        net = ctx.subject("many_to_many")(unit, 6, 8, 3).to(ctx.device, torch.float64)
        fill(net, list(theirs.parameters()))
        for mine, his in zip(_results(net, x, up), _results(theirs, x, up), strict=True):
            worst = max(worst, float((mine - his).abs().max() / his.abs().max()))
    return {"difference_torch": worst}


def _results(net: nn.Module, x: Tensor, up: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    out = net(x, torch.tensor(LENGTHS, device=x.device))
    return [out.detach(), *torch.autograd.grad((out * up).sum(), [x, *net.parameters()])]
