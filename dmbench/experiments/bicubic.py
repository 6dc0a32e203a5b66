"""Bicubic interpolation alone: the row that every super-resolution table starts with."""

from torch import Tensor

from dmbench.experiments._super_resolution import BICUBIC, SCALES, YCBCR, clamp_to_luma, evaluate, keyed
from dmbench.harness.experiment import Context, experiment


def as_it_is(y: Tensor) -> Tensor:
    """Leave the enlarged picture alone."""
    return y


@experiment(
    *(f"set5_x{{scale}}_{metric}" for metric in ("psnr", "ssim", "ifc", "msssim")),
    tier="quick",
    artifacts=("set5",),
    subjects=(BICUBIC, YCBCR),
    over={"scale": SCALES},
)
def set5(ctx: Context, scale: int) -> dict[str, float]:
    """Shrink and enlarge Set5."""
    return keyed("set5", scale, evaluate(ctx, "set5", scale, as_it_is, ("psnr", "ssim", "ifc", "msssim")))


@experiment(
    *(f"set14_x{{scale}}_{metric}" for metric in ("psnr", "ssim", "ifc", "msssim")),
    tier="slow",
    artifacts=("set14",),
    subjects=(BICUBIC, YCBCR),
    over={"scale": SCALES},
)
def set14(ctx: Context, scale: int) -> dict[str, float]:
    """Shrink and enlarge Set14."""
    return keyed("set14", scale, evaluate(ctx, "set14", scale, as_it_is, ("psnr", "ssim", "ifc", "msssim")))


@experiment(
    "{pictures}_x{scale}_psnr",
    "{pictures}_x{scale}_ssim",
    tier="slow",
    artifacts=("{pictures}",),
    subjects=(BICUBIC, YCBCR),
    over={"pictures": ("b100", "urban100"), "scale": SCALES},
)
def larger_sets(ctx: Context, pictures: str, scale: int) -> dict[str, float]:
    """Shrink and enlarge B100 and Urban100; clamped to luma's range, as by the paper that prints these rows."""
    ctx.note(input="clamped to [16, 235] / 255")
    return keyed(pictures, scale, evaluate(ctx, pictures, scale, clamp_to_luma, ("psnr", "ssim")))
