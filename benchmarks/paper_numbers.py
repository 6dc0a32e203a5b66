"""The quick paper numbers over commits: what was measured, and how far it falls short of what is printed.

Measured by the experiments that `dmbench run --tier quick` runs. The params come from the tree alone; a number whose
artifacts are not on this machine is skipped.
"""

import tempfile
from pathlib import Path

from dmbench.harness.discovery import experiment_of, papers
from dmbench.harness.measure import Settings
from dmbench.harness.numbers import Number
from dmbench.harness.runner import run


def _quick_numbers() -> dict[str, Number]:
    """Return the single-valued quick numbers of all stems by `stem/key`."""
    return {
        number.name: number
        for paper in papers().values()
        for number in paper.numbers.values()
        if not number.unchecked
        and isinstance(number.value, float)
        and (found := experiment_of(number)) is not None
        and found.tier == "quick"
    }


def _measure_quick() -> dict[str, float]:
    """Measure them all on the CPU; by `stem/key`, the mean over seeds. Those that cannot be measured are left out."""
    with tempfile.TemporaryDirectory() as scratch:
        records = run(list(_quick_numbers().values()), Settings(Path(scratch))).records
    values: dict[str, list[float]] = {}
    for record in records:
        if isinstance(record.value, float | int):
            values.setdefault(f"{record.stem}/{record.number}", []).append(record.value)
    return {name: sum(samples) / len(samples) for name, samples in values.items()}


def _shortfall(number: Number, value: float) -> float:
    """Return how far a value falls short of the printed one, in tolerances: up to 1 it is reproduced.

    Where the tolerance is 0, in the number's unit. Rounded, so that a change of the last bits is no regression.
    """
    difference = value - number.value
    short = {"higher": -difference, "lower": difference, "exact": abs(difference)}[number.better]
    return round(max(short, 0.0) / (number.atol or 1.0), 2)


class PaperNumbers:
    """Every quick number by its name."""

    params = sorted(_quick_numbers())
    param_names = ("number",)
    timeout = 60

    def setup_cache(self):
        return _measure_quick()

    setup_cache.timeout = 1800

    def setup(self, measured, number):
        if number not in measured:
            raise NotImplementedError(f"{number} is not measured here: dmbench list names what it needs")

    def track_value(self, measured, number):
        """The value, in the number's own unit; better may be higher, so asv's regressions leave it out."""
        return measured[number]

    track_value.unit = "as printed"

    def track_shortfall(self, measured, number):
        """How far it falls short, in tolerances; up is worse."""
        return _shortfall(_quick_numbers()[number], measured[number])

    track_shortfall.unit = "tolerances"
