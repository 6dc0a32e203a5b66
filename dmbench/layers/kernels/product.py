"""Products with a matrix of weights on a CPU by oneDNN, beside torch's own by MKL; and a tanh that costs what it must.

torch.mm packs its matrices at every call, and MKL leaves AVX-512 unused on some processors that have it: a time step of
a recurrent layer took 1.15 to 1.35 times as long by it, large products 1.05 to 1.3 times. oneDNN's operators have no
public name in torch; where they are missing, and for what is not float32 on a CPU, the products are torch's.

Shapes: M rows, K inputs, N outputs.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import linear


def product(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x @ w.T + bias, (M, N), without a graph. x: (M, K). w: (N, K), any strides. bias: (N)."""
    return _by_onednn(x, w, bias) if _onednn(x) else linear(x, w, bias)


def packed(w: Tensor, rows: int, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """Return the function of x that is x @ w.T + bias, for many x (M, K) of about `rows` rows each."""
    if not _onednn(w):
        return lambda x: linear(x, w, bias)
    reordered = torch.ops.mkldnn._reorder_linear_weight(w.contiguous(), rows)
    return lambda x: _by_onednn(x, reordered, bias)


def tanh(x: Tensor, out: Tensor) -> Tensor:
    """Write tanh(x) = 2 s(2 x) - 1 to `out`, which may be x; torch's sigmoid takes a fifth of its tanh on a CPU.

    Right to two roundings of 1, not of the result: the smaller x, the fewer digits are right.
    """
    if x.device.type != "cpu":
        return torch.tanh(x, out=out)
    torch.add(x, x, out=out).sigmoid_()
    return out.add_(out).sub_(1.0)


def _by_onednn(x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, w, bias, "none", [], "")
    return result


def _onednn(x: Tensor) -> bool:
    """Whether oneDNN takes this tensor."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.numel() == 0 or torch.compiler.is_compiling():
        return False
    return bool(torch.backends.mkldnn.enabled) and _has_operators()


@cache
def _has_operators() -> bool:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return hasattr(torch.ops.mkldnn, "_linear_pointwise") and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
