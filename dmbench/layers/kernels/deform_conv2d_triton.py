"""Deformable convolution on a GPU, by Triton: the operator `dmbench::deform_conv2d` with its gradients.

Source: the equations of dmbench/layers/deform_conv2d.py, the canonical form of this file. The kernels gather each
column when a product needs it: no columns in memory (unless the order of sums is to be fixed). What they read is
channels last, so that the four pixels of a sample are four runs of channels; offsets are read once for a tap and a
deformable group. Sums are float32, whatever the dtype; the samples are rounded to it before they are multiplied.

The work, with P = N * Ho * Wo positions, K taps, s bytes an element, C channels, Cout filters, g groups:
    forward   2 * P * K * C * Cout / g FLOP; s * (N * H * W * C + P * (2 * G * K + Cout) + K * C * Cout / g) bytes
    backward  twice the FLOP; each input and the result's gradient read, each gradient written, once
    besides   4 * P * K * C pixels through L1 and L2 in forward and twice in backward, and in backward as many float32
              atomics into L2, or, deterministic, the columns' gradient to memory and four times back
On an H200 (measured: 4.3 TB/s of copy, 790 TFLOP/s in bfloat16) 8 x 256 x 56 x 56 to 256, 3 x 3, G = 1, in bfloat16:
29.6 GFLOP = 37 us and 28 MB = 7 us forward; 112 us forward and backward: bound by arithmetic. 0.46 GB of pixels through
L2 a gather, and 0.92 GB of atomics, are the likely real limit. No kernel here has run on a GPU yet: it was tested
through Triton's interpreter, and compiled ahead for sm_90.
"""

import warnings
from functools import cache

import torch
from torch import Tensor

from dmbench.layers.kernels import deform_conv2d_triton_op  # noqa: F401, defines the operator
from dmbench.layers.kernels.deform_conv2d_cpu import Geometry, Tensors

DEVICE = "cuda"
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
CAPABILITY = (8, 0)  # the first with bfloat16 and tf32 in its matrix units
warned: set[str] = set()


def takes(image: Tensor) -> bool:
    """Whether the kernels can run for this image; on a GPU where they cannot one warning says why."""
    if image.device.type != DEVICE:
        return False
    reason = _obstacle(image.device, image.dtype)
    if reason and reason not in warned and not torch.compiler.is_compiling():
        warned.add(reason)
        warnings.warn(f"deform_conv2d takes its slower torch form: {reason}", RuntimeWarning, stacklevel=3)
    return not reason


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _obstacle(device: torch.device, dtype: torch.dtype) -> str:
    return _found_obstacle(device, dtype)


@cache
def _found_obstacle(device: torch.device, dtype: torch.dtype) -> str:
    if dtype not in DTYPES:
        return f"no kernel for {dtype}"
    if torch.version.cuda is None:
        return "not an NVIDIA build of torch"
    if torch.cuda.get_device_capability(device) < CAPABILITY:
        return f"{torch.cuda.get_device_name(device)} is older than capability {CAPABILITY[0]}.{CAPABILITY[1]}"
    try:
        import triton  # noqa: F401
    except ImportError as error:
        return f"triton cannot be imported: {error}"
    return ""


def deform_conv2d_triton(tensors: Tensors, geometry: Geometry) -> Tensor:
    """Return the convolution, (N, Cout, Ho, Wo), dtype of the image, channels last in memory where the image is.

    tensors: the image's dtype is the product's; offset, weight, bias and mask may be of any of DTYPES.
    """
    image, offset, weight, bias, mask = tensors
    pairs = [list(pair) for pair in (geometry.stride, geometry.padding, geometry.dilation)]
    result: Tensor = torch.ops.dmbench.deform_conv2d(image, offset, weight.to(image.dtype), bias, mask, *pairs)
    return result
