"""The vanilla recurrent layer, and what all recurrent layers here share.

Source: Elman (1990), Finding structure in time, Cognitive Science 14(2); the equation as torch.nn.RNN computes it:
h_t = s(W_ih x_t + b_ih + W_hh h_tm1 + b_hh), s the nonlinearity. Gradients: Pascanu, Mikolov and Bengio (2013),
arXiv:1211.5063, section 2.

Shapes: T time steps, B batch, I input size, H hidden size, D directions (1 or 2), G gates.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.layers.kernels.modes import without_autocast
from dmbench.layers.kernels.one_hot import is_place, project

State = tuple[Tensor, ...]
NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
}


class Recurrent(nn.Module):
    """One recurrent layer in one or both directions; parameters are named, shaped and drawn as torch's.

    A subclass says how many gates are stacked in the rows of its matrices, how many tensors its state has,
    and how one direction runs. State dictionaries of the torch.nn class of one layer can be loaded.

    Args:
        input_size, hidden_size: I and H, at least 1.
        bias: whether there are b_ih and b_hh.
        bidirectional: whether a second set of weights reads the sequence from its end; outputs are concatenated.

    Raises:
        ValueError: a size is not positive.
    """

    gates = 1
    states = 1
    weight_ih_l0: nn.Parameter
    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool = True, bidirectional: bool = False) -> None:
        super().__init__()
        if input_size < 1 or hidden_size < 1:
            raise ValueError(f"need input_size and hidden_size of at least 1: {input_size}, {hidden_size}")
        self.input_size, self.hidden_size, self.bidirectional = input_size, hidden_size, bidirectional
        rows, bound = self.gates * hidden_size, hidden_size**-0.5
        shapes: dict[str, tuple[int, ...]] = {"weight_ih_l0": (rows, input_size), "weight_hh_l0": (rows, hidden_size)}
        if bias:
            shapes |= {"bias_ih_l0": (rows,), "bias_hh_l0": (rows,)}
        for suffix in ("", "_reverse")[: 1 + bidirectional]:
            for name, shape in shapes.items():
                self.register_parameter(name + suffix, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run over a sequence, in the dtype of the parameters also under autocast.

        Args:
            x: (T, B, I); or (T, B), int64: which of the I inputs is 1, where all others are 0.
            state: (D, B, H), or a tuple of as many as the layer has states; None: zeros.

        Returns:
            y (T, B, D H), the hidden state at each step, and the state after the last one, shaped as the argument.

        Raises:
            ValueError: a shape does not fit, or T is 0. TypeError: a dtype or device differs from the parameters'.
            IndexError: there is no such input, on a CPU; on a GPU it is CUDA's own error.
        """
        before = self._checked(x, state)
        outputs, after = [], []
        with without_autocast(x):
            for direction, suffix in enumerate(("", "_reverse")[: 1 + self.bidirectional]):
                steps = x.flip(0) if suffix else x
                start = tuple(one[direction] for one in before)
                y, last = self.run(steps, start, *(getattr(self, f"{name}_l0{suffix}", None) for name in _NAMES))  # type: ignore[arg-type]
                outputs.append(y.flip(0) if suffix else y)
                after.append(last)
        joined = tuple(torch.stack(parts) for parts in zip(*after, strict=True))
        y = torch.cat(outputs, dim=-1) if self.bidirectional else outputs[0]
        return y, joined if self.states > 1 else joined[0]

    def run(
        self, x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
    ) -> tuple[Tensor, State]:
        """Run one direction: x (T, B, I), each state (B, H); return y (T, B, H) and the last states."""
        raise NotImplementedError

    def _checked(self, x: Tensor, state: Any) -> State:
        """Return the state as a tuple of (D, B, H), or say in one line what does not fit."""
        weight = self.weight_ih_l0
        placed = is_place(x)
        if x.shape[:1] == (0,) or not (placed or (x.ndim == 3 and x.shape[2] == self.input_size)):
            raise ValueError(f"need x of shape (T, B, {self.input_size}), T at least 1: {tuple(x.shape)}")
        if placed and x.device.type == "cpu" and x.numel() and not 0 <= x.min() <= x.max() < self.input_size:
            raise IndexError(f"inputs count from 0 to {self.input_size - 1}: {int(x.min())} to {int(x.max())}")
        shape = (1 + self.bidirectional, x.shape[1], self.hidden_size)
        if state is None:
            before: State = (weight.new_zeros(shape),) * self.states
        else:
            before = (state,) if isinstance(state, Tensor) else tuple(state)
            if len(before) != self.states:
                raise ValueError(f"need a state of {self.states} tensors: {len(before)}")
        for one in before:
            if one.shape != shape:
                raise ValueError(f"need a state of shape {shape}: {tuple(one.shape)}")
        for one in before if placed else (x, *before):
            if (one.dtype, one.device) != (weight.dtype, weight.device):
                raise TypeError(f"need {weight.dtype} on {weight.device}, as the weights: {one.dtype} on {one.device}")
        return before


class RNN(Recurrent):
    """The vanilla layer; `RNN(I, H)` computes what torch.nn.RNN(I, H) does.

    Args:
        nonlinearity: "tanh", "relu", "sigmoid" or "identity" (torch.nn.RNN has the first two).

    Raises:
        ValueError: another nonlinearity, or a size that is not positive.
    """

    def __init__(self, input_size: int, hidden_size: int, nonlinearity: str = "tanh", **options: bool) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"nonlinearity must be one of {', '.join(NONLINEARITIES)}: {nonlinearity}")
        super().__init__(input_size, hidden_size, **options)
        self.nonlinearity = nonlinearity

    def run(
        self, x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
    ) -> tuple[Tensor, State]:
        """Run one direction, a step at a time; the input's part of all steps is one product before the loop."""
        squash = NONLINEARITIES[self.nonlinearity]
        (h,) = state
        projected = project(x, w_ih, None if b_ih is None or b_hh is None else b_ih + b_hh)
        y = []
        for x_t in projected.unbind():
            h = squash(x_t + h @ w_hh.T)
            y.append(h)
        return torch.stack(y), (h,)


def truncated(layer: Callable[..., Any], x: Tensor, steps: int, state: Any = None) -> tuple[Tensor, Any]:
    """Run a layer so that gradients flow back through at most `steps` time steps (truncated backpropagation).

    The state is detached before time steps 0, `steps`, 2 `steps` and so on; the outputs are those of one run.

    Args:
        layer: called with a part of x and a state, as the layers here and torch.nn's are; one direction.
        x: (T, B, I).
        steps: at least 1.
        state: the state before the first step; None: zeros.

    Raises:
        ValueError: steps is not positive, or the layer is bidirectional: it would see only its part of the sequence.
    """
    if steps < 1:
        raise ValueError(f"need at least 1 time step between detachments: {steps}")
    if getattr(layer, "bidirectional", False):
        raise ValueError("a bidirectional layer cannot be run in parts: it reads the sequence from its end as well")
    y = []
    for part in torch.split(x, steps):
        y_part, state = layer(part, detached(state))
        y.append(y_part)
    return torch.cat(y), state


def detached(state: Any) -> Any:
    """Return a state, a tensor or a tuple of them or None, cut off from the graph."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else state.detach()
    return tuple(one.detach() for one in state)


def refuse_second_derivative() -> None:
    """Raise RuntimeError if a backward pass is asked for a graph of itself, which would lack what it computes."""
    if torch.is_grad_enabled():
        raise RuntimeError("the fused path has no second derivative: build the layer with fused=False")


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
