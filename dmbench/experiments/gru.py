"""GRU: parameter counts, how far it is from torch's, and what its two gates do at their ends, in both forms."""

import torch
from torch import nn

from dmbench.experiments._recurrent import difference, parameters_with_one_bias, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.gru import GRU

LAYER = subject("gru", GRU, nn.GRU, "a state (1, B, H), or None,")


@experiment("parameters_13_20", tier="quick", subjects=(LAYER,))
def parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters of a layer with one bias vector a gate, as in the paper's form."""
    return {"parameters_13_20": parameters_with_one_bias(ctx.subject("gru")(13, 20))}


@experiment("parameters_16_32_bidirectional", tier="quick", subjects=(LAYER,))
def both_biases(ctx: Context) -> dict[str, float]:
    """Count the parameters of a bidirectional layer with two bias vectors a gate, as cuDNN's form needs them."""
    net = ctx.subject("gru")(16, 32, bidirectional=True)
    return {"parameters_16_32_bidirectional": sum(parameter.numel() for parameter in net.parameters())}


@experiment("kiloparameters_speech", tier="quick", subjects=(LAYER,))
def chung(ctx: Context) -> dict[str, float]:
    """Count the parameters of the layer that Chung et al. (2014) model speech with, in thousands."""
    return {"kiloparameters_speech": parameters_with_one_bias(ctx.subject("gru")(20, 227)) / 1000}


@experiment("difference_float32", tier="quick", subjects=(LAYER,))
def float32(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.GRU in float32, outputs and gradients."""
    return {"difference_float32": difference(ctx, "gru", nn.GRU, torch.float32, 1)}


@experiment("difference_float64", tier="quick", subjects=(LAYER,))
def float64(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.GRU in float64, outputs and gradients."""
    return {"difference_float64": difference(ctx, "gru", nn.GRU, torch.float64, 1)}


@experiment("kept", "dropped", tier="quick", subjects=(LAYER,))
def gates_at_their_ends(ctx: Context) -> dict[str, float]:
    """Measure the gradient from the state before to the state after 100 time steps, with the gates held by biases.

    kept: update gate open. dropped: update and reset gate shut. In both forms the same, so that either can be measured.
    """
    measured = {}
    for key, reset, update, steps in (("kept", 0.0, 60.0, 100), ("dropped", -800.0, -800.0, 1)):
        net = ctx.subject("gru")(1, 4).to(ctx.device, torch.float64)
        w_ih, w_hh, b_ih, b_hh = net.parameters()
        with torch.no_grad():
            w_ih.zero_()
            w_hh[:8].zero_()  # the gates do not look at the state; n does
            b_ih.copy_(torch.tensor([reset, update, 0.0]).repeat_interleave(4))
            b_hh.zero_()
        h = torch.rand(1, 1, 4, dtype=torch.float64, device=ctx.device, requires_grad=True)
        _, last = net(torch.zeros(steps, 1, 1, dtype=torch.float64, device=ctx.device), h)
        measured[key] = float(torch.autograd.grad(last[0, 0, 0], h)[0][0, 0, 0])
    return measured


@experiment("reset_before", "reset_after", tier="quick")
def forms(ctx: Context) -> dict[str, float]:
    """Compute one step by hand-sized weights in both forms: two units, reset gates 1/2 and 1, the state (1, 1)."""
    measured = {}
    for form in ("before", "after"):
        net = GRU(1, 2, reset_after=form == "after").to(ctx.device, torch.float64)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.zero_()
            net.weight_hh_l0[4] = torch.tensor([0.25, 0.5])  # n of the first unit looks at both
            net.bias_ih_l0[:4] = torch.tensor([0.0, 800.0, -800.0, -800.0])  # r = (1/2, 1), z = 0
        one = torch.ones(1, 1, 2, dtype=torch.float64, device=ctx.device)
        _, h = net(one[..., :1], one)
        measured[f"reset_{form}"] = torch.atanh(h[0, 0, 0]).item()
    return measured
