"""How a protocol is declared: an experiment measures one or more numbers of its stem.

    @experiment("set5_x{scale}_psnr", tier="quick", artifacts=("set5",), over={"scale": (2, 3, 4)})
    def on_set5(ctx: Context, scale: int) -> dict[str, float]:
        ...

A declaration with `over` stands for one experiment per combination; `{scale}` is filled in the names of numbers
and artifacts. The function returns the value of each number that it declares.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from dmbench.harness.drawing import cases
from dmbench.harness.drawing import picture as picture  # experiments take both from here
from dmbench.harness.errors import DmbenchError

TIERS = ("quick", "slow", "full")
Value = float | Sequence[float]
Measured = Mapping[str, Value]


class MeasurementError(DmbenchError):
    """An experiment gave back something that is no measurement of its numbers."""


@dataclass(frozen=True)
class Subject:
    """A part of an experiment that a user may replace: `--impl NAME=module:attribute`.

    default: ours. contract: what it is called with and must return, in one sentence. check: tries the
    contract on a tiny input; raises ContractError.
    """

    name: str
    default: Any
    contract: str
    check: Callable[[Any], None]


class Context(Protocol):
    """What an experiment is given.

    seed is None for a deterministic experiment. The random state of torch is seeded before the call.
    """

    device: torch.device
    seed: int | None

    def files(self, artifact: str) -> dict[str, Path]:
        """Return the artifact's files by name, each present and of the right checksum."""

    def subject(self, name: str) -> Any:
        """Return the implementation to measure: ours, or the one that --impl names."""

    def note(self, **settings: object) -> None:
        """Write protocol settings into the record."""

    def progress(self, done: float, total: float) -> None:
        """Tell how far the experiment is, in any unit."""

    def point(self, **values: float) -> None:
        """Add a point to the learning curve that goes into the record."""

    def load(self) -> dict[str, Any] | None:
        """Return the state that an interrupted run of this very experiment saved, or None."""

    def save(self, state: dict[str, Any] | Callable[[], dict[str, Any]]) -> bool:
        """Save tensors and plain values so that a killed run goes on from here; the curve goes with them.

        state: or a function that writes files to `folder` and returns it. False: the disk is full or cannot be written,
        which was told; what was saved before is as it was, and still needs the files that it had.
        """

    def folder(self) -> Path:
        """Return a folder for what is too large for `save`; it lives as long as what was saved."""

    def keep(self, name: str, content: bytes) -> Path:
        """Write a file that stays in the results folder, such as trained weights; return its place."""


@dataclass(frozen=True)
class Experiment:
    """One protocol with its case filled in. `name` is unique within the stem."""

    stem: str
    name: str
    numbers: tuple[str, ...]
    tier: str
    function: Callable[..., Measured]
    artifacts: tuple[str, ...] = ()
    subjects: tuple[Subject, ...] = ()
    seeds: int = 0
    gpu: bool = False
    case: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)

    @property
    def unset(self) -> list[str]:
        """What is left to set, one line for each environment variable that it needs and that is not set."""
        return [f"set {name} to {what}" for name, what in self.needs.items() if not os.environ.get(name)]

    @property
    def purpose(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]

    def __call__(self, ctx: Context) -> dict[str, float | list[float]]:
        """Run the protocol.

        Raises:
            MeasurementError: it returned other numbers than declared, or a value that is not finite.
        """
        measured = self.function(ctx, **self.case)
        if set(measured) != set(self.numbers):
            declared, returned = ", ".join(self.numbers), ", ".join(measured) or "nothing"
            raise MeasurementError(f"{self.stem}/{self.name} declares {declared} and returned {returned}")
        return {key: _finite(f"{self.stem}/{key}", value) for key, value in measured.items()}


def experiment(
    *numbers: str,
    tier: str,
    artifacts: tuple[str, ...] = (),
    subjects: tuple[Subject, ...] = (),
    seeds: int = 0,
    gpu: bool = False,
    over: Mapping[str, Sequence[Any]] | None = None,
    needs: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Measured]], Callable[..., Measured]]:
    """Declare a function of an experiments module as the protocol of `numbers`.

    Args:
        numbers: keys in the stem's file of numbers.
        tier: what it costs: "quick", "slow" or "full".
        artifacts: names in artifacts.toml.
        subjects: the parts that a user may replace.
        seeds: how many seeds by default; 0 for a deterministic experiment.
        gpu: whether it needs a CUDA device.
        over: for each argument of the function the values to run it with.
        needs: environment variables that point to what no address has, and to what each has to be set.

    Raises:
        ValueError: an unknown tier, no numbers, or a negative count of seeds.
    """
    if tier not in TIERS:
        raise ValueError(f"tier must be one of {', '.join(TIERS)}: {tier}")
    if not numbers:
        raise ValueError("an experiment measures at least one number")
    if seeds < 0:
        raise ValueError(f"seeds must be at least 0: {seeds}")

    def declare(function: Callable[..., Measured]) -> Callable[..., Measured]:
        stem = function.__module__.rpartition(".")[2]
        declared = tuple(
            Experiment(
                stem=stem,
                name="_".join([function.__name__, *(v if isinstance(v, str) else f"{k}{v}" for k, v in case.items())]),
                numbers=tuple(number.format(**case) for number in numbers),
                tier=tier,
                function=function,
                artifacts=tuple(artifact.format(**case) for artifact in artifacts),
                subjects=subjects,
                seeds=seeds,
                gpu=gpu,
                case=case,
                needs=needs or {},
            )
            for case in cases(over or {})
        )
        function.experiments = declared  # type: ignore[attr-defined]
        return function

    return declare


def _finite(name: str, value: object) -> float | list[float]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(name, part) for part in value]  # type: ignore[misc]
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise MeasurementError(f"{name}: measured {value!r}, which is no number") from error
    if not math.isfinite(number):
        raise MeasurementError(f"{name}: measured {number}, which is not finite")
    return number
