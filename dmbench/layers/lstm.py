"""Long short-term memory with a forget gate, as torch.nn.LSTM computes it.

Source: Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9(8); the forget gate is that of
Gers, Schmidhuber and Cummins (2000), Learning to forget, Neural Computation 12(10). Without peepholes. Per time step,
s the logistic function and * element by element:

    i = s(W_ii x_t + b_ii + W_hi h_tm1 + b_hi)      the input gate
    f = s(W_if x_t + b_if + W_hf h_tm1 + b_hf)      the forget gate
    g = tanh(W_ig x_t + b_ig + W_hg h_tm1 + b_hg)   what may enter the cell
    o = s(W_io x_t + b_io + W_ho h_tm1 + b_ho)      the output gate
    c_t = f * c_tm1 + i * g
    h_t = o * tanh(c_t)

Gate order: the rows of the weights and biases are those of i, f, g, o, H each.

Shapes: T time steps, B batch, I input size, H hidden size.
"""

from typing import Any

import torch
from torch import Tensor

from dmbench.layers.kernels.one_hot import gradient_of_w, project, project_without_graph
from dmbench.layers.kernels.product import packed, product, tanh
from dmbench.layers.rnn import Recurrent, State, refuse_second_derivative


class LSTM(Recurrent):
    """One layer; `LSTM(I, H)` computes what torch.nn.LSTM(I, H) does, and takes its state dictionary.

    Args:
        fused: compute by `Fused`, whose gradients cannot be differentiated again; False: by `loop`.

    The state is the pair (h, c), (D, B, H) each. Other arguments, shapes and errors: `Recurrent`.
    """

    gates = 4
    states = 2

    def __init__(self, input_size: int, hidden_size: int, *, fused: bool = True, **options: bool) -> None:
        super().__init__(input_size, hidden_size, **options)
        self.fused = fused

    def run(
        self, x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
    ) -> tuple[Tensor, State]:
        """Run one direction."""
        h, c = state
        bias = w_ih.new_zeros(len(w_ih)) if b_ih is None or b_hh is None else b_ih + b_hh
        if not self.fused or (len(x) == 1 and not torch.is_grad_enabled()):
            # Of a single time step, as when a text is written, packing the weights would be most of the cost.
            return loop(x, h, c, w_ih, w_hh, bias)
        y, c = Fused.apply(x, h, c, w_ih, w_hh, bias)  # type: ignore[no-untyped-call]
        return y, (y[-1], c)


def loop(
    x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The equations, a step at a time; the input's part of all steps is one product before the loop.

    Args:
        x: (T, B, I), or (T, B) as in `Recurrent`. h, c: (B, H), the state before.
        w_ih: (4H, I). w_hh: (4H, H). bias: (4H), the sum of both.

    Returns:
        y (T, B, H) and the state after, (h, c).
    """
    y = []
    for x_t in project(x, w_ih, bias).unbind():
        i, f, g, o = (x_t + h @ w_hh.T).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        y.append(h)
    return torch.stack(y), (h, c)


class Fused(torch.autograd.Function):
    """`loop` with fewer and larger operations, and its gradients written out.

    Forward: in place, all gates squashed by one call, W_h packed once for all steps. Backward: what does not depend on
    the step before is computed for all steps at once; the loop only carries dh and dc back; and the gradients of x, of
    the weights and of the bias are one product each after it.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Arguments as in `loop`; return y (T, B, H) and the last c (B, H)."""
        # (T, B, 4H), squashed in place below
        gates = project_without_graph(x, w_ih, bias)
        from_h = packed(w_hh, len(h))
        y = h.new_empty(len(x), *h.shape)
        cells = torch.cat([c[None], torch.empty_like(y)])
        h_tm1, c_tm1 = h, c
        for all_t, i, f, g, o, h_t, c_t in zip(gates, *gates.chunk(4, -1), y, cells[1:], strict=True):
            all_t.add_(from_h(h_tm1))
            g.add_(g)
            all_t.sigmoid_()
            g.add_(g).sub_(1.0)  # tanh(g) = 2 s(2 g) - 1
            torch.mul(f, c_tm1, out=c_t).addcmul_(i, g)
            tanh(c_t, h_t).mul_(o)
            h_tm1, c_tm1 = h_t, c_t
        ctx.save_for_backward(x, h, w_ih, w_hh, gates, y, cells)
        return y, c_tm1.clone()

    @staticmethod
    def backward(ctx: Any, dy: Tensor, dc: Tensor) -> tuple[Tensor | None, ...]:
        """Map the gradients of y and the last c to those of the arguments."""
        refuse_second_derivative()
        x, h, w_ih, w_hh, gates, y, cells = ctx.saved_tensors
        width = w_hh.shape[-1]
        i, f, g, o = gates.chunk(4, -1)
        d_sigmoid, d_tanh = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward

        # By what dh, for o, and dc, for the others, are multiplied to give the gradients before squashing.
        squashed = tanh(cells[1:], torch.empty_like(y))
        d_gates = torch.empty_like(gates)
        d_i, d_f, d_g, d_o = d_gates.chunk(4, -1)
        d_sigmoid.grad_input(squashed, o, grad_input=d_o)
        d_sigmoid.grad_input(g, i, grad_input=d_i)
        d_sigmoid.grad_input(cells[:-1], f, grad_input=d_f)
        d_tanh.grad_input(i, g, grad_input=d_g)
        from_h = d_tanh(o, squashed)

        d_ifg = torch.unflatten(d_gates[..., : 3 * width], -1, (3, width))
        from_gates = packed(w_hh.T, len(h))
        dh, dc = dy.new_zeros(dy.shape[1:]), dc.clone()
        for t in reversed(range(len(x))):
            dh += dy[t]
            dc.addcmul_(dh, from_h[t])
            d_o[t].mul_(dh)
            d_ifg[t].mul_(dc[:, None])
            dc.mul_(f[t])
            dh = from_gates(d_gates[t])

        wanted = ctx.needs_input_grad
        flat, later = d_gates.flatten(0, 1), d_gates[1:].flatten(0, 1)
        dx = product(flat, w_ih.T).view_as(x) if wanted[0] else None
        dw_ih = gradient_of_w(flat, x, w_ih) if wanted[3] else None
        dw_hh = torch.addmm(d_gates[0].T @ h, later.T, y[:-1].flatten(0, 1)) if wanted[4] else None
        return dx, dh, dc, dw_ih, dw_hh, flat.sum(0) if wanted[5] else None
