"""LSTM: parameter counts, how far it is from torch's, and the cell that carries its error unchanged."""

import torch
from torch import nn

from dmbench.experiments._recurrent import difference, parameters_with_one_bias, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.lstm import LSTM

LAYER = subject("lstm", LSTM, nn.LSTM, "a pair of (1, B, H), or None,")
COUNTS = {"25_100": (25, 100), "4096_256": (4096, 256)}


@experiment("parameters_{sizes}", tier="quick", subjects=(LAYER,), over={"sizes": tuple(COUNTS)})
def parameters(ctx: Context, sizes: str) -> dict[str, float]:
    """Count the parameters of a layer with one bias vector a gate."""
    return {f"parameters_{sizes}": parameters_with_one_bias(ctx.subject("lstm")(*COUNTS[sizes]))}


@experiment("kiloparameters_speech", tier="quick", subjects=(LAYER,))
def chung(ctx: Context) -> dict[str, float]:
    """Count the parameters of the layer that Chung et al. (2014) model speech with, in thousands."""
    return {"kiloparameters_speech": parameters_with_one_bias(ctx.subject("lstm")(20, 195)) / 1000}


@experiment("difference_float32", tier="quick", subjects=(LAYER,))
def float32(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.LSTM in float32, outputs and gradients."""
    return {"difference_float32": difference(ctx, "lstm", nn.LSTM, torch.float32, 2)}


@experiment("difference_float64", tier="quick", subjects=(LAYER,))
def float64(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.LSTM in float64, outputs and gradients."""
    return {"difference_float64": difference(ctx, "lstm", nn.LSTM, torch.float64, 2)}


@experiment("carousel", "carousel_forgetting", tier="quick", subjects=(LAYER,))
def carousel(ctx: Context) -> dict[str, float]:
    """Measure the gradient that comes back through 1,000 time steps of a cell, with its gates held by their biases.

    Input gate shut; forget gate open, then at one half for 10 steps.
    """
    measured = {}
    for key, forget, steps in (("carousel", 60.0, 1000), ("carousel_forgetting", 0.0, 10)):
        net = ctx.subject("lstm")(1, 1).to(ctx.device, torch.float64)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.zero_()
            list(net.parameters())[2].copy_(torch.tensor([-60.0, forget, 0.0, 0.0]))  # i, f, g, o
        h, c = (torch.zeros(1, 1, 1, dtype=torch.float64, device=ctx.device) for _ in range(2))
        c.requires_grad_()
        _, (_, c_last) = net(torch.zeros(steps, 1, 1, dtype=torch.float64, device=ctx.device), (h, c))
        measured[key] = float(torch.autograd.grad(c_last.sum(), c)[0])
    return measured
