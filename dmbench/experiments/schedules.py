"""Learning-rate schedules: the rates that papers print, closed forms, and how far they are from torch's."""

import math
from typing import Any

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.optim import schedules
from dmbench.peers import schedules as torchs


def part(name: str, arguments: tuple[Any, ...]) -> Subject:
    """Return the part that `--impl` replaces; arguments: those that it is tried with."""

    def check(build: Any) -> None:
        """Raise ContractError unless the share at the first update is 1, and a number at the next."""
        found = [float(build(*arguments)(t)) for t in (0, 1)]
        if abs(found[0] - 1) > 1e-9 or not math.isfinite(found[1]):
            raise ContractError(f"gave shares {found[0]:g} and {found[1]:g} at updates 0 and 1, not 1 and a number")

    return Subject(
        name=name,
        default=getattr(schedules, name),
        contract=f"f(*constants), called as dmbench.optim.schedules.{name} is, returns the function that gives the "
        "share of the first rate at an update",
        check=check,
    )


STEP = part("step", (8, 0.96))
MULTI_STEP = part("multi_step", ([2, 3],))
EXPONENTIAL = part("exponential", (0.9,))
POLYNOMIAL = part("polynomial", (10, 0.5))
COSINE = part("cosine", (10,))
RESTARTS = part("warm_restarts", (10, 2))
SAME = {  # constants that the comparison with torch is made for; a cosine up to its end, where torch's rises again
    "step": ((7, 0.5), (30, 0.1)),
    "multi_step": (([30, 80, 81],), ([5], 0.2)),
    "exponential": ((0.98,),),
    "polynomial": ((100, 1.0), (150, 0.5), (60, 2.0)),
    "cosine": ((199,), (200, 0.1)),
    "warm_restarts": ((10, 2), (17, 1, 0.05), (1, 3)),
}


@experiment("resnet_cifar", "wide_resnet", tier="quick", subjects=(MULTI_STEP,))
def dropped(ctx: Context) -> dict[str, list[float]]:
    """Take the rates around the drops of two papers' trainings on CIFAR."""
    resnet = ctx.subject("multi_step")([32_000, 48_000])
    wide = ctx.subject("multi_step")([60, 120, 160], 0.2)
    return {
        "resnet_cifar": [0.1 * resnet(t) for t in (0, 31_999, 32_000, 47_999, 48_000, 63_999)],
        "wide_resnet": [0.1 * wide(t) for t in (0, 59, 60, 120, 160, 199)],
    }


@experiment("googlenet", tier="quick", subjects=(STEP,))
def every_eight_epochs(ctx: Context) -> dict[str, float]:
    """Take GoogLeNet's rate after 80 epochs."""
    return {"googlenet": ctx.subject("step")(8, 0.96)(80)}


@experiment("caffe_poly", tier="quick", subjects=(POLYNOMIAL,))
def poly(ctx: Context) -> dict[str, float]:
    """Take the rate of BVLC GoogLeNet's quick solver halfway."""
    return {"caffe_poly": 0.01 * ctx.subject("polynomial")(2_400, 0.5)(1_200)}


@experiment("exponential_half_life", tier="quick", subjects=(EXPONENTIAL,))
def half_life(ctx: Context) -> dict[str, float]:
    """Count the updates until half of the rate is left, at a hundredth an update."""
    share = ctx.subject("exponential")(0.99)
    return {"exponential_half_life": next(t for t in range(1000) if share(t) <= 0.5)}


@experiment("cosine_quarters", tier="quick", subjects=(COSINE,))
def quarters(ctx: Context) -> dict[str, list[float]]:
    """Take a cosine's share at each quarter of its way."""
    share = ctx.subject("cosine")(400)
    return {"cosine_quarters": [share(t) for t in (0, 100, 200, 300, 400)]}


@experiment("sgdr_restarts", "sgdr_middle", tier="quick", subjects=(RESTARTS,))
def restarts(ctx: Context) -> dict[str, float | list[float]]:
    """Find the epochs at which SGDR's rate jumps back, and its rate in the middle of the second cycle."""
    share = ctx.subject("warm_restarts")(10, 2)
    rates = [0.05 * share(t) for t in range(200)]
    jumps = [float(t) for t in range(1, 200) if rates[t] > rates[t - 1]]
    return {"sgdr_restarts": jumps, "sgdr_middle": rates[20]}


@experiment("imagenet_in_an_hour", "transformer", "adam_sqrt", tier="quick")
def combined(ctx: Context) -> dict[str, float | list[float]]:
    """Take the rates of two papers that warm up, and of Adam's analysis."""
    hour = schedules.warm_up(5, schedules.multi_step([25, 55, 75]), start=0.1 / 3.2)
    attention = schedules.warm_up(4000, schedules.inverse_time(1 / 4000, 0.5))
    peak = 512**-0.5 * 4000**-0.5
    return {
        "imagenet_in_an_hour": [3.2 * hour(t) for t in (0, 2.5, 5, 30, 60, 80)],
        "transformer": [peak * attention(t) for t in (1, 2000, 4000, 100_000)],
        "adam_sqrt": 0.01 * schedules.inverse_time(power=0.5)(9_999),
    }


@experiment("difference_torch", tier="quick", subjects=(STEP, MULTI_STEP, EXPONENTIAL, POLYNOMIAL, COSINE, RESTARTS))
def from_torch(ctx: Context) -> dict[str, float]:
    """Compare with torch.optim.lr_scheduler's over 200 updates."""
    worst = 0.0
    for name, cases in SAME.items():
        for constants in cases:
            ours, theirs = ctx.subject(name)(*constants), getattr(torchs, name)(*constants)
            worst = max(worst, *(abs(ours(t) - theirs(t)) for t in range(200)))
    return {"difference_torch": worst}
