"""The vanilla RNN: spectral facts of its gradients, a parameter count, and how far it is from torch's."""

import torch
from torch import Tensor, nn

from dmbench.experiments._recurrent import difference, parameters_with_one_bias, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.rnn import RNN

LAYER = subject("rnn", RNN, nn.RNN, "a state (1, B, H), or None,")
WIDTH = 16


@experiment("kiloparameters_speech", tier="quick", subjects=(LAYER,))
def chung(ctx: Context) -> dict[str, float]:
    """Count the parameters of the layer that Chung et al. (2014) model speech with, in thousands."""
    return {"kiloparameters_speech": parameters_with_one_bias(ctx.subject("rnn")(20, 400)) / 1000}


@experiment("difference_float32", tier="quick", subjects=(LAYER,))
def float32(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.RNN in float32, outputs and gradients."""
    return {"difference_float32": difference(ctx, "rnn", nn.RNN, torch.float32, 1)}


@experiment("difference_float64", tier="quick", subjects=(LAYER,))
def float64(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.RNN in float64, outputs and gradients."""
    return {"difference_float64": difference(ctx, "rnn", nn.RNN, torch.float64, 1)}


@experiment("gamma_{s}", tier="quick", over={"s": ("tanh", "sigmoid")})
def gamma(ctx: Context, s: str) -> dict[str, float]:
    """Measure the steepest slope of one unit's step, over inputs from -8 to 8."""
    net = RNN(1, 1, s).to(ctx.device, torch.float64)
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), (1.0, 1.0, 0.0, 0.0), strict=True):
            parameter.fill_(value)
    x = torch.linspace(-8, 8, 1601, dtype=torch.float64, device=ctx.device)[None, :, None]
    h = torch.zeros(1, 1601, 1, dtype=torch.float64, device=ctx.device, requires_grad=True)
    (slopes,) = torch.autograd.grad(net(x, h)[1].sum(), h)
    return {f"gamma_{s}": float(slopes.max())}


@experiment("critical_{s}", tier="quick", over={"s": ("tanh", "sigmoid")})
def critical(ctx: Context, s: str) -> dict[str, float]:
    """Measure the largest singular value at which gradients neither grow nor fade, where the slope is steepest.

    The weights are a multiple of an orthogonal matrix, and the biases hold every unit where s is steepest.
    """
    grown = jacobian_norm(ctx, s, 1.0, 100) ** (1 / 100)
    return {f"critical_{s}": 1 / grown}


@experiment("growth_{percent}", tier="quick", over={"percent": (90, 110)})
def growth(ctx: Context, percent: int) -> dict[str, float]:
    """Measure by how much the gradient of a tanh layer grows a time step, all singular values at percent / 100."""
    return {f"growth_{percent}": jacobian_norm(ctx, "tanh", percent / 100, 100) ** (1 / 100)}


@experiment("vanishing_bound_{s}", tier="quick", over={"s": ("tanh", "sigmoid")})
def vanishing_bound(ctx: Context, s: str) -> dict[str, float]:
    """Measure the largest |dh_T/dh_0| over its bound (gamma lambda)^T, T to 30, in 20 random layers driven by noise.

    The largest singular value, lambda, is 0.9 / gamma.
    """
    steepest = {"tanh": 1.0, "sigmoid": 0.25}[s]
    worst = 0.0
    for _ in range(20):
        net = RNN(2, WIDTH, s).to(ctx.device, torch.float64)
        with torch.no_grad():
            net.weight_hh_l0.mul_(0.9 / steepest / torch.linalg.matrix_norm(net.weight_hh_l0, 2))
        x = torch.randn(30, 1, 2, dtype=torch.float64, device=ctx.device)
        h = torch.randn(1, 1, WIDTH, dtype=torch.float64, device=ctx.device)
        product = torch.eye(WIDTH, dtype=torch.float64, device=ctx.device)
        for t in range(30):
            product = jacobian(net, x[t : t + 1], h) @ product
            h = net(x[t : t + 1], h)[1].detach()
            worst = max(worst, float(torch.linalg.matrix_norm(product, 2)) / 0.9 ** (t + 1))
    return {f"vanishing_bound_{s}": worst}


def jacobian_norm(ctx: Context, s: str, singular_value: float, steps: int) -> float:
    """Return |dh_T/dh_0| of a layer whose units stay where s is steepest, at h = s(0)."""
    net = RNN(1, WIDTH, s).to(ctx.device, torch.float64)
    rest = {"tanh": 0.0, "sigmoid": 0.5}[s]
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        q, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, dtype=torch.float64))
        net.weight_hh_l0.copy_(singular_value * q)
        net.bias_hh_l0.copy_(-(net.weight_hh_l0 @ torch.full_like(net.bias_hh_l0, rest)))
    x = torch.zeros(steps, 1, 1, dtype=torch.float64, device=ctx.device)
    h = torch.full((1, 1, WIDTH), rest, dtype=torch.float64, device=ctx.device)
    return float(torch.linalg.matrix_norm(jacobian(net, x, h), 2))


def jacobian(net: RNN, x: Tensor, h: Tensor) -> Tensor:
    """Return dh_T/dh_0, (H, H): row k is that of unit k."""
    h = h.clone().requires_grad_()
    last = net(x, h)[1].flatten()
    rows = [torch.autograd.grad(unit, h, retain_graph=True)[0].flatten() for unit in last]
    return torch.stack(rows)
