"""The gated recurrent unit, in its paper's form and in cuDNN's.

Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder for statistical machine
translation, arXiv:1406.1078, section 2.3 (Eqs. 5 to 8); torch.nn.GRU's documentation. Per time step, s the logistic
function and * element by element:

    r = s(W_ir x_t + b_ir + W_hr h_tm1 + b_hr)      the reset gate
    z = s(W_iz x_t + b_iz + W_hz h_tm1 + b_hz)      the update gate: 1 keeps the state, 0 replaces it
    n = tanh(W_in x_t + b_in + W_hn (r * h_tm1) + b_hn)   the paper: reset before the product
    n = tanh(W_in x_t + b_in + r * (W_hn h_tm1 + b_hn))   cuDNN and torch: reset after the product
    h_t = z * h_tm1 + (1 - z) * n

The two are different functions, with different weights: after the product, one product a time step serves all gates,
and b_hn is no longer one bias with b_in. They agree where r is 1, and where it is the same for all units and b_hn 0.

Gate order: the rows of the weights and biases are those of r, z, n, H each. `Fused` uses n, r, z inside.

Shapes: T time steps, B batch, I input size, H hidden size.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from dmbench.layers.kernels.one_hot import gradient_of_w, project, project_without_graph
from dmbench.layers.kernels.product import packed, product, tanh
from dmbench.layers.rnn import Recurrent, State, refuse_second_derivative


class GRU(Recurrent):
    """One layer; `GRU(I, H)` computes what torch.nn.GRU(I, H) does, and takes its state dictionary.

    Args:
        reset_after: True: cuDNN's and torch's form; False: the paper's.
        fused: compute cuDNN's form by `Fused`, whose gradients cannot be differentiated again; False: by `loop`. The
            paper's form is always computed by `loop`.

    The state is h, (D, B, H). Other arguments, shapes and errors: `Recurrent`.
    """

    gates = 3

    def __init__(
        self, input_size: int, hidden_size: int, *, reset_after: bool = True, fused: bool = True, **options: bool
    ) -> None:
        super().__init__(input_size, hidden_size, **options)
        self.reset_after, self.fused = reset_after, fused

    def run(
        self, x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
    ) -> tuple[Tensor, State]:
        """Run one direction."""
        (h,) = state
        if b_ih is None or b_hh is None:
            b_ih = b_hh = w_ih.new_zeros(len(w_ih))
        # Of a single time step, as when a text is written, packing the weights would be most of the cost.
        if self.fused and self.reset_after and (len(x) > 1 or torch.is_grad_enabled()):
            y = Fused.apply(x, h, w_ih, w_hh, b_ih, b_hh)  # type: ignore[no-untyped-call]
        else:
            y = loop(x, h, w_ih, w_hh, b_ih, b_hh, self.reset_after)
        return y, (y[-1],)


def loop(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, reset_after: bool) -> Tensor:
    """The equations, a step at a time; the input's part of all steps is one product before the loop.

    Args:
        x: (T, B, I), or (T, B) as in `Recurrent`. h: (B, H), the state before.
        w_ih: (3H, I). w_hh: (3H, H). b_ih, b_hh: (3H).
        reset_after: which of the two forms.

    Returns:
        y (T, B, H); its last step is the state after.
    """
    width = h.shape[-1]
    w_n, b_n = w_hh[2 * width :], b_hh[2 * width :]
    y = []
    for x_t in project(x, w_ih, b_ih).unbind():
        x_r, x_z, x_n = x_t.chunk(3, dim=-1)
        h_r, h_z = linear(h, w_hh[: 2 * width], b_hh[: 2 * width]).chunk(2, dim=-1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + (r * linear(h, w_n, b_n) if reset_after else linear(r * h, w_n, b_n)))
        h = z * h + (1 - z) * n
        y.append(h)
    return torch.stack(y)


class Fused(torch.autograd.Function):
    """`loop` with the reset after the product, in fewer and larger operations, and its gradients written out.

    Forward: gates in the order n, r, z. Backward: all gates' gradients are multiples of dh; the factors are computed
    for all steps at once, the loop only carries dh back, and the gradients of x, of the weights and of the biases are
    one product each after it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
        """Arguments as in `loop`; return y (T, B, H)."""
        width = h.shape[-1]
        from_h = packed(w_hh, len(h), b_hh)
        gates = project_without_graph(x, _n_first(w_ih), _n_first(b_ih))  # (T, B, 3H), squashed in place below
        y = h.new_empty(len(x), *h.shape)
        h_n = torch.empty_like(y)  # W_hn h_tm1 + b_hn
        h_tm1 = h
        parts = zip(gates[..., width:], *gates.chunk(3, -1), h_n, y, strict=True)
        for rz, n, r, z, hn_t, h_t in parts:
            projected = from_h(h_tm1)
            rz.add_(projected[:, : 2 * width]).sigmoid_()
            hn_t.copy_(projected[:, 2 * width :])
            tanh(n.addcmul_(r, hn_t), n)
            torch.lerp(n, h_tm1, z, out=h_t)
            h_tm1 = h_t
        ctx.save_for_backward(x, h, w_ih, w_hh, gates, h_n, y)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        """Map the gradient of y to those of the arguments."""
        refuse_second_derivative()
        x, h, w_ih, w_hh, gates, h_n, y = ctx.saved_tensors
        width = h.shape[-1]
        n, r, z = gates.chunk(3, -1)
        d_sigmoid, d_tanh = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward

        # By what dh is multiplied to give the gradients before squashing: of n, r and z for the input's part, of
        # r, z and W_hn h_tm1 + b_hn for the state's part, so that each is a slice.
        d_all = y.new_empty(*y.shape[:2], 4 * width)
        d_n, d_r, d_z, d_hn = d_all.chunk(4, -1)
        d_tanh.grad_input(1 - z, n, grad_input=d_n)
        torch.mul(d_n, r, out=d_hn)
        d_sigmoid.grad_input(d_n * h_n, r, grad_input=d_r)
        d_sigmoid.grad_input(torch.cat([h[None], y[:-1]]) - n, z, grad_input=d_z)

        d_h = d_all[..., width:]
        from_gates = packed(w_hh.T, len(h))
        dh = torch.zeros_like(h)
        for t in reversed(range(len(x))):
            dh += dy[t]
            torch.unflatten(d_all[t], -1, (4, width)).mul_(dh[:, None])
            dh = dh.mul_(z[t]).add_(from_gates(d_h[t]))

        wanted = ctx.needs_input_grad
        from_x, from_h = d_all[..., : 3 * width].flatten(0, 1), d_h.flatten(0, 1)
        dx = product(from_x, _n_first(w_ih).T).view_as(x) if wanted[0] else None
        dw_ih = _n_last(gradient_of_w(from_x, x, w_ih)) if wanted[2] else None
        later = d_h[1:].flatten(0, 1)
        dw_hh = torch.addmm(d_h[0].T @ h, later.T, y[:-1].flatten(0, 1)) if wanted[3] else None
        return dx, dh, dw_ih, dw_hh, _n_last(from_x.sum(0)), from_h.sum(0)


def _n_first(rows: Tensor) -> Tensor:
    """Reorder the gates r, z, n to n, r, z."""
    r, z, n = rows.chunk(3)
    return torch.cat([n, r, z])


def _n_last(rows: Tensor) -> Tensor:
    """Reorder the gates n, r, z to r, z, n."""
    n, r, z = rows.chunk(3)
    return torch.cat([r, z, n])
