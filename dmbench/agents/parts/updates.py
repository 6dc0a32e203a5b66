"""Updates from a replay memory: one by one, or each as one launch of a CUDA graph; the numbers are the same.

A graph replays kernels at the addresses that it was captured with. So what changes from update to update is copied to
where the graph reads it, all the updates of a call at once: which transitions were drawn. Drawing stays with the
CPU's generator, from which a training resumes bit for bit.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dmbench.agents.dqn import Learner
from dmbench.agents.parts.replay import Found, ReplayMemory
from dmbench.agents.parts.stack import on_device

WARM_UP = 3  # updates before a capture, in which libraries allocate and optimisers make their state


class Updates:
    """Updates one by one: draw, gather, learn.

    Args:
        batch: transitions in an update.
        total: a scalar on the learner's device, to which losses are added in their order.
    """

    def __init__(self, learner: Learner, memory: ReplayMemory, batch: int, total: Tensor) -> None:
        self.learner, self.memory, self.batch, self.total = learner, memory, batch, total

    def make(self, count: int, random: torch.Generator) -> None:
        """Make so many updates from the memory as it is."""
        for _ in range(count):
            self.total += self.learner.update(self.memory.sample(self.batch, random))


class GraphedUpdates(Updates):
    """Updates as a CUDA graph of one: the host draws, copies, launches, and waits for nothing.

    It is of the learner's tensors as they are: build it anew after `Learner.load_state_dict`. On a CPU, where there
    are no graphs, it runs the same from its buffers.

    Args:
        most: updates whose draws are copied together.

    Raises: RuntimeError: the network does what cannot be captured, such as a decision by its tensors' values.
    """

    def __init__(self, learner: Learner, memory: ReplayMemory, batch: int, total: Tensor, most: int = 8) -> None:
        super().__init__(learner, memory, batch, total)
        self.device, self.most = memory.observations.device, most
        nothing = torch.zeros(batch, dtype=torch.int64)
        self._found = Found(
            *(torch.stack([part] * most).to(self.device) for part in memory.find(nothing, nothing))
        )  # (most, B, ...)
        self._turn = torch.zeros(1, dtype=torch.int64, device=self.device)
        with _unchanged(learner, total):
            self._update = captured(self._improve, self.device)

    def make(self, count: int, random: torch.Generator) -> None:
        for begin in range(0, count, self.most):
            some = min(self.most, count - begin)
            drawn = [self.memory.find(*self.memory.draw(self.batch, random)) for _ in range(some)]
            for static, parts in zip(self._found, zip(*drawn, strict=True), strict=True):
                static[:some] = on_device(torch.stack(parts), self.device)
            self._turn.zero_()
            for _ in range(some):
                self._update()
                self.learner.count()

    def _improve(self) -> None:
        found = Found(*(part.index_select(0, self._turn % self.most)[0] for part in self._found))
        self.total += self.learner.improve(self.memory.fetch(found))
        self._turn += 1


def captured(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Return what repeats `step` by one launch, a CUDA graph, or on a CPU the step itself; it is run to warm up."""
    if device.type != "cuda":
        for _ in range(WARM_UP):
            step()
        return step
    # Without this cuDNN may choose kernels that add in any order, and a resumed training would differ.
    options = {"benchmark": False, "deterministic": True, "allow_tf32": torch.backends.cudnn.allow_tf32}
    with torch.cuda.device(device), torch.backends.cudnn.flags(enabled=True, **options):
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                step()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
    return graph.replay


@contextmanager
def _unchanged(learner: Learner, total: Tensor) -> Iterator[None]:
    """Put back, in place, the numbers that updates have changed; an optimiser's state that was not there is zeroed."""
    groups = [group for group in learner.optimiser.param_groups if "capturable" in group]
    options = [group["capturable"] for group in groups]
    tensors = {**learner.network.state_dict(), "total": total}
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    states = learner.optimiser.state
    known = {w: {name: value.clone() for name, value in of.items()} for w, of in states.items()}
    for group in groups:
        group["capturable"] = total.device.type == "cuda"  # torch's optimisers refuse a capture without it
    try:
        yield
    finally:
        for group, option in zip(groups, options, strict=True):
            group["capturable"] = option
        for name, tensor in tensors.items():
            tensor.copy_(before[name])
        for w, of in states.items():
            for name, value in of.items():
                value.copy_(known[w][name]) if w in known else value.zero_()
        learner.optimiser.zero_grad()


def updates(learner: Learner, memory: ReplayMemory, batch: int, total: Tensor, most: int = 8) -> Updates:
    """Return the fastest updates for the device: a graph of them on a CUDA device, where the network lets itself be
    captured; one by one elsewhere."""
    if total.device.type != "cuda":
        return Updates(learner, memory, batch, total)
    try:
        return GraphedUpdates(learner, memory, batch, total, most)
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[0]
        warnings.warn(f"updates run one by one, since they cannot be captured: {reason}", RuntimeWarning, stacklevel=2)
        return Updates(learner, memory, batch, total)
