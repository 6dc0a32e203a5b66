"""Neural Turing machine: a controller that reads and writes a memory by heads.

Source: Graves, Wayne and Danihelka (2014), Neural Turing Machines, arXiv:1410.5401, section 3; the equations of the
heads are in `parts.ntm_addressing`. Per time step: the controller sees x_t and what the heads read at t - 1; from its
output h_t all heads are addressed in the memory M_tm1; the write heads make M_t of it; the read heads read M_t; y_t is
an affine map of h_t and of what was read.

Shapes: T time steps, B batch, I inputs, O outputs, C controller units, N memory locations, M width of a location,
R read heads, W write heads, H = R + W, S = 2 reach + 1 shifts.

What the paper leaves open: 1. h_t is tanh of an affine map (feedforward) or the LSTM's h. 2. beta is softplus, g and e
logistic, s softmax, gamma 1 + softplus of affine maps of h_t; k and a are such maps. 3. Learned are the first memory,
weightings (through a softmax), reads and LSTM states; learning begins with small random ones and blurred weightings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from dmbench.models.parts.ntm_addressing import address, check_shifts, read, write
from dmbench.models.parts.ntm_controllers import Carried, Feedforward, Recurrent
from dmbench.models.parts.ntm_fused import Step, split

CONTROLLERS = ("feedforward", "lstm")
SMALL = 0.1  # what the first memory and reads are drawn within


@dataclass(frozen=True)
class Memory:
    """How large the memory is, and how many heads work on it; by default as in Table 1, copy.

    Raises: ValueError: a size below 1, no read or no write head, or a reach that goes round the memory.
    """

    locations: int = 128
    width: int = 20
    read_heads: int = 1
    write_heads: int = 1
    reach: int = 1

    def __post_init__(self) -> None:
        for name in ("locations", "width", "read_heads", "write_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"need {name} of at least 1: {getattr(self, name)}")
        if self.reach < 0:
            raise ValueError(f"need a reach of at least 0: {self.reach}")
        check_shifts(self.shifts, self.locations)

    @property
    def heads(self) -> int:
        """H, those that read first."""
        return self.read_heads + self.write_heads

    @property
    def shifts(self) -> int:
        """S."""
        return 2 * self.reach + 1

    @property
    def emitted(self) -> int:
        """P: how many values the controller emits for all heads."""
        return self.heads * (self.width + 3 + self.shifts) + 2 * self.write_heads * self.width


class State(NamedTuple):
    """What one time step leaves to the next: memory (B, N, M), w (B, H, N), reads (B, R M), the controller's state."""

    memory: Tensor
    w: Tensor
    reads: Tensor
    controller: Carried


class NTM(nn.Module):
    """A neural Turing machine.

    Args:
        inputs, outputs: I and O, at least 1.
        hidden: C; 100 in Tables 1 and 2, copy.
        controller: "feedforward" or "lstm".
        layers: of an LSTM controller.
        memory: sizes and heads.
        fused: compute the heads by `parts.ntm_fused`, whose gradients cannot be differentiated again; False: by the
            equations of `parts.ntm_addressing`.

    Raises:
        ValueError: a size below 1, another controller, or more than one layer of a feedforward controller.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int = 100,
        controller: str = "feedforward",
        layers: int = 1,
        memory: Memory = Memory(),
        *,
        fused: bool = True,
    ) -> None:
        super().__init__()
        if min(inputs, outputs, hidden, layers) < 1:
            sizes = f"{inputs}, {outputs}, {hidden}, {layers}"
            raise ValueError(f"need inputs, outputs, hidden and layers of at least 1: {sizes}")
        if controller not in CONTROLLERS:
            raise ValueError(f"controller must be one of {', '.join(CONTROLLERS)}: {controller}")
        if controller == "feedforward" and layers > 1:
            raise ValueError(f"a feedforward controller has one layer: {layers}")
        self.inputs, self.memory, self.fused = inputs, memory, fused
        reads = memory.read_heads * memory.width
        self.controller: Feedforward | Recurrent = (
            Recurrent(inputs, reads, hidden, layers) if controller == "lstm" else Feedforward(inputs, reads, hidden)
        )
        self.heads = nn.Linear(hidden, memory.emitted)
        self.output = nn.Linear(hidden + reads, outputs)
        self.first_memory = nn.Parameter(torch.empty(memory.locations, memory.width).uniform_(-SMALL, SMALL))
        self.first_scores = nn.Parameter(torch.empty(memory.heads, memory.locations).normal_())
        self.first_reads = nn.Parameter(torch.empty(reads).uniform_(-SMALL, SMALL))

    def first(self, batch: int) -> State:
        """Return the learned state before the first time step of `batch` sequences."""
        return State(
            self.first_memory.expand(batch, -1, -1),
            torch.softmax(self.first_scores, -1).expand(batch, -1, -1),
            self.first_reads.expand(batch, -1),
            self.controller.first(batch),
        )

    def forward(
        self, x: Tensor, state: State | None = None, *, watch: Callable[[State], None] | None = None
    ) -> tuple[Tensor, State]:
        """Run over a batch of sequences.

        Args:
            x: (T, B, I).
            state: as it was returned, to go on; None: the learned first one, anew for each sequence.
            watch: called with the state after each time step.

        Returns: y (T, B, O), not squashed, and the state after the last time step.

        Raises: ValueError: x is of another shape, or T is 0.
        """
        if x.ndim != 3 or len(x) == 0 or x.shape[2] != self.inputs:
            raise ValueError(f"need x of shape (T, B, {self.inputs}), T at least 1: {tuple(x.shape)}")
        state = self.first(x.shape[1]) if state is None else state
        seen = []
        for x_t in self.controller.prepare(x).unbind():
            h, controller = self.controller(x_t, state.reads, state.controller)
            memory, w, reads = self.step(state.memory, state.w, self.heads(h))
            state = State(memory, w, reads.flatten(1), controller)
            seen += [h, state.reads]
            if watch is not None:
                watch(state)
        whole = torch.cat(seen, -1).view(x.shape[1], len(x), -1).transpose(0, 1)
        y: Tensor = self.output(whole)
        return y, state

    def step(self, memory: Tensor, w_tm1: Tensor, emitted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Address, write, read: map M_tm1, w_tm1 and what the heads emit, (B, P), to M_t, w_t and reads (B, R, M)."""
        size = self.memory
        if self.fused:
            found: tuple[Tensor, Tensor, Tensor] = Step.apply(memory, w_tm1, emitted, size.read_heads, size.shifts)  # type: ignore[no-untyped-call]
            return found
        k, beta, g, gamma, s, e, a = split(emitted, size.heads, size.write_heads, size.width, size.shifts)
        s, e = torch.softmax(s, -1), torch.sigmoid(e)
        w = address(memory, w_tm1, k, softplus(beta), torch.sigmoid(g), s, 1 + softplus(gamma))
        memory = write(memory, w[:, size.read_heads :], e, a)
        return memory, w, read(memory, w[:, : size.read_heads])
