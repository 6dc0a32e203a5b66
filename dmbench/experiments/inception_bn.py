"""Inception with batch normalisation: the columns of Figure 5, parameters, depth, and what is fully connected."""

from typing import Any

import torch
from torch import Tensor, nn

from dmbench.experiments._layer_table import multiply_adds, outputs, parameters
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.inception_bn import MODULES, InceptionBN, Widths

PICTURE = (3, 224, 224)


def check_network(build: Any) -> None:
    """Raise ContractError unless build() gives 1,000 scores a picture and holds its ten modules."""
    with torch.device("meta"):
        net = build()
        scores = net.eval()(torch.empty(1, *PICTURE))
    if not isinstance(scores, Tensor) or scores.shape != (1, 1000):
        raise ContractError(f"returned {tuple(getattr(scores, 'shape', ()))}, not shape (1, 1000)")
    if list(getattr(net, "inception", ())) != list(MODULES):
        raise ContractError(f"has no ModuleDict `inception` of {', '.join(MODULES)}")


NETWORK = Subject(
    name="inception_bn",
    default=InceptionBN,
    contract="MyNet() is a torch.nn.Module that maps float32 (N, 3, 224, 224) to scores (N, 1000), and whose modules "
    "3a to 5b stand in a ModuleDict `inception`",
    check=check_network,
)


def network(ctx: Context) -> Any:
    """Return the network without values."""
    with torch.device("meta"):
        return ctx.subject("inception_bn")()


@experiment("parameters", "fully_connected", "billion_multiplications", tier="quick", subjects=(NETWORK,))
def size(ctx: Context) -> dict[str, float]:
    """Count parameters in millions, linear layers, and multiply-adds of one picture in billions."""
    net = network(ctx)
    return {
        "parameters": parameters(net) / 1e6,
        "fully_connected": sum(isinstance(module, nn.Linear) for module in net.modules()),
        "billion_multiplications": multiply_adds(net, PICTURE) / 1e9,
    }


@experiment("channels", "sides", tier="quick", subjects=(NETWORK,))
def sizes(ctx: Context) -> dict[str, list[float]]:
    """Follow a picture through the ten modules: output channels and size of the map."""
    net = network(ctx)
    shapes = outputs(net, net.inception.values(), PICTURE)
    return {"channels": [float(s[0]) for s in shapes], "sides": [float(s[-1]) for s in shapes]}


@experiment("stem", tier="quick")
def stem(ctx: Context) -> dict[str, list[float]]:
    """Follow a picture through our layers before the modules: channels and size after both convolutions."""
    with torch.device("meta"):
        net = InceptionBN()
    shapes = outputs(net, (net.conv1, net.conv2), PICTURE)
    return {"stem": [float(value) for s in shapes for value in (s[-1], s[0])]}


COLUMNS = {
    "filters_1": "single",
    "filters_3_reduce": "reduce",
    "filters_3": "three",
    "filters_33_reduce": "reduce_double",
    "filters_33": "double",
    "filters_pool": "pool",
}


@experiment(*COLUMNS, tier="quick")
def filters(ctx: Context) -> dict[str, list[float]]:
    """Read the filters of our modules off their weights, path by path."""
    with torch.device("meta"):
        net = InceptionBN()
    rows = [read(module) for module in net.inception.values()]
    return {key: [float(getattr(row, field)) for row in rows] for key, field in COLUMNS.items()}


def read(module: Any) -> Widths:
    """Return the filters that a module's weights have."""
    count = [0 if path is None else len(path.conv.weight) for path in (module.path_1, module.projection)]
    three, double = ([len(part.conv.weight) for part in path] for path in (module.path_3, module.path_33))
    return Widths(count[0], three[0], three[1], double[0], double[-1], count[1])


@experiment("depths", "deeper", tier="quick")
def depth(ctx: Context) -> dict[str, Any]:
    """Count the weighted layers on the longest path of our modules, and of the network beyond GoogLeNet's 22.

    As the figure does, the separable convolution counts once. The third 28 x 28 module is left out, since what makes
    the network deeper here are the two 3 x 3 layers in each of nine modules.
    """
    with torch.device("meta"):
        net: Any = InceptionBN()
    longest = [float(max(len(module.path_3), len(module.path_33))) for module in net.inception.values()]
    stem_and_classifier = 4  # conv1, the reduction and the convolution of conv2, and the softmax layer
    return {"depths": longest, "deeper": sum(longest) + stem_and_classifier - longest[2] - 22}
