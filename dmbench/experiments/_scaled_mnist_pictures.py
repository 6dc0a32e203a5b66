"""Pictures."""

from matplotlib.figure import Figure

from dmbench.harness.experiment import Context


def one_layer(ctx: Context) -> Figure:
    """To come."""
    raise NotImplementedError


def three_layers(ctx: Context) -> Figure:
    """To come."""
    raise NotImplementedError
