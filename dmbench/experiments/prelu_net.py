"""The PReLU paper's networks: layers, filters, maps, complexity, and what PReLU adds to the parameters."""

from typing import Any

import torch
from torch import Tensor, nn

from dmbench.experiments._layer_table import multiply_adds, outputs, parameters, weighted_layers
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.prelu_net import LAYOUTS, PReLUNet, Pyramid

PICTURE = (3, 224, 224)


def check_network(build: Any) -> None:
    """Raise ContractError unless build("small", "relu") gives 1,000 scores a picture."""
    with torch.device("meta"):
        scores = build("small", "relu").eval()(torch.empty(1, *PICTURE))
    if not isinstance(scores, Tensor) or scores.shape != (1, 1000):
        raise ContractError(f"returned {tuple(getattr(scores, 'shape', ()))}, not shape (1, 1000)")


NETWORK = Subject(
    name="prelu_net",
    default=PReLUNet,
    contract='MyNet(layout, activation), layout "small", "small_30", "a", "b", "c" or "vgg_19", activation "relu", '
    '"shared" or "channel", is a torch.nn.Module of Conv2d and Linear layers in order, (N, 3, 224, 224) to (N, 1000)',
    check=check_network,
)


def network(ctx: Context, layout: str, activation: str = "relu") -> Any:
    """Return a network without values."""
    with torch.device("meta"):
        return ctx.subject("prelu_net")(layout, activation)


@experiment("layers_{layout}", tier="quick", subjects=(NETWORK,), over={"layout": tuple(LAYOUTS)})
def layers(ctx: Context, layout: str) -> dict[str, float]:
    """Count convolutions and linear layers."""
    return {f"layers_{layout}": weighted_layers(network(ctx, layout))}


@experiment("complexity_{layout}", tier="quick", subjects=(NETWORK,), over={"layout": ("vgg_19", "a", "b", "c")})
def complexity(ctx: Context, layout: str) -> dict[str, float]:
    """Count the multiply-adds of one picture, of convolutions and linear layers, in units of 10^10."""
    return {f"complexity_{layout}": multiply_adds(network(ctx, layout), PICTURE) / 1e10}


@experiment("complexity_c_over_b", tier="quick", subjects=(NETWORK,))
def wider(ctx: Context) -> dict[str, float]:
    """Compare the multiply-adds of C with those of B."""
    c, b = (multiply_adds(network(ctx, layout), PICTURE) for layout in ("c", "b"))
    return {"complexity_c_over_b": c / b}


@experiment("filters_{layout}", "maps_{layout}", tier="quick", subjects=(NETWORK,), over={"layout": tuple(LAYOUTS)})
def tables(ctx: Context, layout: str) -> dict[str, list[float]]:
    """Read the filters of all convolutions in order, and the maps, each size once, that most of a stage have."""
    net = network(ctx, layout)
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    sides = [shape[-1] for shape in outputs(net, convs, PICTURE)]
    # Two by two filters make maps a pixel smaller in turn: the larger of the two is the stage's.
    kept = [side for side in dict.fromkeys(sides) if side + 1 not in sides]
    return {
        f"filters_{layout}": [float(len(conv.weight)) for conv in convs],
        f"maps_{layout}": [float(s) for s in kept],
    }


@experiment("shared_parameters", tier="quick", subjects=(NETWORK,))
def shared(ctx: Context) -> dict[str, float]:
    """Count what PReLUs with one slope a layer add to the parameters of the small network."""
    plain, learned = (parameters(network(ctx, "small", activation)) for activation in ("relu", "shared"))
    return {"shared_parameters": learned - plain}


@experiment("bins", tier="quick")
def bins(ctx: Context) -> dict[str, float]:
    """Count the values that the pyramid of the large networks makes of one channel."""
    return {"bins": Pyramid(LAYOUTS["a"].bins)(torch.zeros(1, 1, 14, 14)).shape[1]}


@experiment("parameters_vgg_19", tier="quick", subjects=(NETWORK,))
def vgg(ctx: Context) -> dict[str, float]:
    """Count the parameters of VGG-19, in millions."""
    return {"parameters_vgg_19": parameters(network(ctx, "vgg_19")) / 1e6}
