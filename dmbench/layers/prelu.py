"""PReLU: a rectifier that learns the slope of its negative part.

Source: He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, arXiv:1502.01852, section 2.1, Eq. 1:
    f(y_i) = y_i if y_i > 0, else a_i y_i
with one slope a_i for each channel, or one for all (channel-shared). Eqs. 2 and 3, the gradient of a slope:
    dE/da_i = sum of dE/df(y_i) df(y_i)/da_i over all places of channel i,    df/da_i = 0 if y_i > 0, else y_i
and for a shared slope the sum goes over channels too. Slopes begin at 0.25 and are not decayed: weight decay would
push them to 0, which is ReLU.

Shapes: N batch, C channels, any further dimensions are places; a (C), or (1) where it is shared.
"""

import torch
from torch import Tensor, nn

from dmbench.layers.kernels.modes import under_autocast
from dmbench.layers.kernels.pointwise import checked, negative, positive, raised

SLOPE = 0.25  # where learning begins, section 2.1


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """Apply PReLU (Eq. 1); arguments and result are those of torch.nn.functional.prelu.

    Args:
        x: (N, C, ...), floating point; with fewer than two dimensions it has one channel. float16 and bfloat16 are
            computed in float32.
        weight: the slopes a, (C) or (1), dtype and device of x; under autocast any floating dtype.

    Returns:
        Shape and dtype of x. The gradient at 0 is the slope, as Eq. 1 counts 0 with the negative values.

    Raises:
        ValueError: another shape of weight.
        TypeError: x is not floating point, or dtypes or devices differ.
    """
    checked(x)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ValueError(f"need weight (C) or (1), for {channels} channels: {tuple(weight.shape)}")
    if under_autocast(x) and weight.is_floating_point():
        weight = weight.to(x.dtype)
    if (weight.dtype, weight.device) != (x.dtype, x.device):
        raise TypeError(f"need weight as x, {x.dtype} on {x.device}: {weight.dtype} on {weight.device}")
    y, a = raised(x), raised(weight)
    a = a.view(-1, *[1] * (x.ndim - 2)) if x.ndim > 1 else a.reshape(())
    return (positive(y) + a * negative(y)).to(x.dtype)


class PReLU(nn.Module):
    """`prelu` with slopes of its own, named and shaped as torch.nn.PReLU's.

    Args:
        num_parameters: C for a slope each channel, 1 for a shared one. init: the slopes at first.
        device, dtype: of the slopes.

    Raises:
        ValueError: num_parameters is below 1; on call, what `prelu` raises.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = SLOPE,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if num_parameters < 1:
            raise ValueError(f"need num_parameters of at least 1: {num_parameters}")
        self.num_parameters = num_parameters
        self.weight = nn.Parameter(torch.full((num_parameters,), init, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Apply to (N, C, ...)."""
        return prelu(x, self.weight)

    def extra_repr(self) -> str:
        """Say how many slopes there are."""
        return f"num_parameters={self.num_parameters}"
