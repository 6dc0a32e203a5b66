"""From the 1,300 pictures to the 50,000: the subset's accuracy, moved back by the shift that another network has there.

The subset is easier: of two networks of known accuracy on the whole set, both get more right there, and about as much
more on the scale of log odds. Over eight networks of one kind that shift spread by a standard deviation of 0.040.
"""

import math
from collections.abc import Mapping

from dmbench.experiments._imagenet import Score
from dmbench.harness.experiment import Context, MeasurementError

# Of the whole set, percent, as their numbers: what the shift of the subset is calibrated with.
GOOGLENET = {"top1": 68.7, "top5": 88.9}
SQUEEZENET = {"top1": 57.5, "top5": 80.3}


def calibrated(ctx: Context, label: str, mine: Score, other: Score, printed: Mapping[str, float]) -> dict[str, float]:
    """Map top-1 and top-5 of the subset back to the whole set by what another network's, printed, are moved by.

    label: with which the names of what the record keeps begin.
    """
    found = {}
    for key, own, known in (("top1", mine.top1, other.top1), ("top5", mine.top5, other.top5)):
        here, other_here = mine.percent(own), other.percent(known)
        found[key] = mapped_back(here, other_here, printed[key])
        ctx.note(**{f"{label}{key}_subset": here, f"{label}{key}_shift": log_odds(other_here) - log_odds(printed[key])})
    return found


def mapped_back(here: float, other_here: float, other_printed: float) -> float:
    """Return what a network's accuracy on the subset comes to on the whole set, all in percent.

    On the scale of log odds it is moved by as much as another network's, whose accuracy on the whole set is printed.
    """
    shift = log_odds(other_here) - log_odds(other_printed)
    return 100 / (1 + math.exp(shift - log_odds(here)))


def log_odds(percent: float) -> float:
    """Return log(p / (1 - p)) of p in percent, which must lie between 0 and 100, both excluded."""
    if not 0 < percent < 100:
        raise MeasurementError(f"an accuracy of {percent} % has no log odds: nothing, or everything, is right")
    return math.log(percent / (100 - percent))
