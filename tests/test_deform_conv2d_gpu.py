"""deform_conv2d on a CUDA device: fresh random inputs against float64, and what only a device can show."""

import math
import os
import time

import pytest
import torch
from torch.testing import assert_close

from dmbench.harness.device import seconds
from dmbench.layers.deform_conv2d import canonical_deform_conv2d, deform_conv2d

pytestmark = pytest.mark.gpu
# Of the norm, against float64: float32 as the issue of torchvision's users wants it, the others two roundings.
CLOSE = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}
TORCHS_OWN = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # compiling and forward mode
LAYOUTS = {"nchw": torch.contiguous_format, "channels last": torch.channels_last}


@pytest.fixture(autouse=True)
def no_tf32(cuda):
    """Full float32 products unless a test asks for less; and memory that was freed holds NaN, so that gaps show."""
    assert not torch.backends.cuda.matmul.allow_tf32
    torch.full((1 << 26,), math.nan, device=cuda)


def make(cuda, shape, filters, dtype=torch.float32, groups=1, deformable=1, modulated=True, kernel=(3, 3), layout=None):
    """Fresh tensors, padding 1; offsets are eighths of up to 3 pixels, exact in each dtype, never whole pixels."""
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")  # shown where the test fails
    generator = torch.Generator(cuda).manual_seed(seed)
    batch, channels, height, width = shape
    out, taps = (height + 3 - kernel[0], width + 3 - kernel[1]), math.prod(kernel)

    def noise(*size):
        return torch.randn(size, generator=generator, device=cuda).to(dtype)

    places = (batch, 2 * deformable * taps, *out)
    whole = torch.randint(-3, 3, places, generator=generator, device=cuda)
    eighths = torch.randint(1, 8, places, generator=generator, device=cuda)
    return (
        noise(*shape).to(memory_format=layout or torch.contiguous_format),
        (whole + eighths / 8).to(dtype),
        noise(filters, channels // groups, *kernel) / math.sqrt(channels // groups * taps),
        noise(filters),
        noise(batch, deformable * taps, *out) if modulated else None,
    )


def run(convolve, tensors, dtype=None):
    """The result and all gradients for one upstream gradient."""
    leaves = [None if t is None else t.detach().to(dtype or t.dtype).requires_grad_() for t in tensors]
    x, offset, weight, bias, mask = leaves
    result = convolve(x, offset, weight, bias, 1, 1, 1, mask)
    generator = torch.Generator(result.device).manual_seed(1)
    upstream = torch.randn(result.shape, generator=generator, device=result.device).to(tensors[0].dtype)
    return result, *torch.autograd.grad(result, [t for t in leaves if t is not None], upstream.to(result.dtype))


def errors(found, tensors):
    expected = run(canonical_deform_conv2d, tensors, torch.float64)
    return [((one.double() - other).norm() / other.norm()).item() for one, other in zip(found, expected, strict=True)]


def check(tensors, close=None, convolve=deform_conv2d):
    found = run(convolve, tensors)
    for one in found:
        assert one.dtype == tensors[0].dtype
    worst = max(errors(found, tensors))
    assert worst <= (close or CLOSE[tensors[0].dtype])
    return found


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("groups", "deformable"), [(1, 1), (1, 4), (4, 1), (4, 4), (2, 3), (3, 2)])
@pytest.mark.parametrize("modulated", [False, True])
def test_fresh_inputs_agree_with_float64(dtype, layout, groups, deformable, modulated, cuda):
    tensors = make(cuda, (2, 48, 19, 23), 36, dtype, groups, deformable, modulated, layout=LAYOUTS[layout])
    result, to_image, *_ = check(tensors)
    assert result.is_contiguous(memory_format=LAYOUTS[layout])
    assert to_image.is_contiguous(memory_format=LAYOUTS[layout])


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("shape", [(8, 128, 28, 28), (8, 256, 14, 14), (8, 512, 7, 7), (2, 256, 50, 84)])
def test_the_sizes_of_resnet_50_agree_with_float64(dtype, shape, cuda):
    check(make(cuda, shape, shape[1], dtype, layout=torch.channels_last))


@pytest.mark.parametrize("shape", [(1, 1, 4, 5), (3, 5, 2, 31), (1, 17, 40, 3)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (5, 5)])
def test_odd_sizes_agree_with_float64(shape, kernel, cuda):
    if min(shape[2] + 3 - kernel[0], shape[3] + 3 - kernel[1]) < 1:
        shape = (*shape[:2], 5, 5)
    check(make(cuda, shape, 7, kernel=kernel))


@pytest.mark.parametrize("deterministic", [False, True])
def test_far_infinite_and_nan_offsets_are_as_in_the_canonical_form(deterministic, cuda, monkeypatch):
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: deterministic)
    tensors = make(cuda, (1, 16, 12, 13), 16)
    flat = tensors[1].view(-1)
    for index, value in enumerate((1e30, -1e30, math.inf, -math.inf, -1.5, 12.5)):
        flat[index::17] = value
    check(tensors)
    flat[5::400] = math.nan
    result, to_image, *_ = run(deform_conv2d, tensors)
    expected = run(canonical_deform_conv2d, tensors)[0]
    assert_close(result.isnan(), expected.isnan(), rtol=0, atol=0)
    assert expected.isnan().any()
    assert to_image.isfinite().all()


def test_a_nan_pixel_that_no_sample_touches_does_not_leak(cuda):
    x, offset, weight, bias, _ = make(cuda, (1, 16, 12, 13), 16)
    x[..., 0, 0] = math.nan
    result = deform_conv2d(x, torch.full_like(offset, 100), weight, bias, 1, 1)
    assert_close(result, bias.view(-1, 1, 1).expand_as(result), rtol=0, atol=0)


def test_the_error_does_not_move_between_runs(cuda):
    tensors = make(cuda, (4, 64, 33, 31), 64)
    found = [errors(run(deform_conv2d, tensors), tensors) for _ in range(5)]
    for each in zip(*found, strict=True):
        assert max(each) <= 1.5 * min(each) + 1e-8


def test_tf32_is_used_where_torch_allows_it(cuda, monkeypatch):
    tensors = make(cuda, (2, 64, 24, 24), 64)
    exact = max(errors(run(deform_conv2d, tensors), tensors))
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", True)
    rounded = max(errors(run(deform_conv2d, tensors), tensors))
    assert exact < 1e-5 < rounded < 2e-3


@TORCHS_OWN
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dynamic", [False, True])
def test_torch_compile_takes_it_whole(layout, dtype, dynamic, cuda):
    def both(x, offset, weight, bias, stride, padding, dilation, mask):
        return deform_conv2d(x.sin(), offset, weight, bias, stride, padding, dilation, mask).relu()

    compiled = torch.compile(both, fullgraph=True, dynamic=dynamic)
    tensors = make(cuda, (2, 32, 15, 17), 32, dtype, layout=LAYOUTS[layout])
    for one, other in zip(run(compiled, tensors), run(both, tensors), strict=True):
        assert (one.double() - other.double()).norm() <= CLOSE[dtype] * other.double().norm()
        assert one.stride() == other.stride()


@pytest.mark.parametrize("lower", [torch.float16, torch.bfloat16])
def test_autocast_does_not_lower_the_precision_and_takes_mixed_dtypes(lower, cuda):
    tensors = make(cuda, (2, 32, 15, 17), 32)
    expected = run(deform_conv2d, tensors)
    with torch.autocast("cuda", dtype=lower):
        found = run(deform_conv2d, tensors)
        x, offset, weight, bias, mask = (t.clone().requires_grad_() for t in tensors)
        mixed = deform_conv2d(x.to(lower), offset, weight, bias, 1, 1, 1, mask)
        mixed.float().sum().backward()
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= 1e-5 * other.norm()
    assert mixed.dtype == lower
    assert weight.grad.dtype == torch.float32
    assert (mixed - expected[0]).norm() <= 2 * CLOSE[lower] * expected[0].norm()


@pytest.mark.parametrize("dtype", CLOSE)
def test_deterministic_gradients_are_right_and_the_same_bit_for_bit(dtype, cuda):
    tensors = make(cuda, (4, 64, 40, 40), 64, dtype, deformable=2)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (run(deform_conv2d, tensors) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(before)
    assert max(errors(first, tensors)) <= CLOSE[dtype]
    for one, other in zip(first, second, strict=True):
        assert_close(one, other, rtol=0, atol=0)


def test_float64_takes_the_torch_form_with_one_warning(cuda, monkeypatch):
    monkeypatch.setattr("dmbench.layers.kernels.deform_conv2d_triton.warned", set())
    tensors = [t.double() for t in make(cuda, (1, 4, 5, 6), 4)]
    with pytest.warns(RuntimeWarning, match="takes its slower torch form: no kernel for torch.float64") as caught:
        found = [run(deform_conv2d, tensors) for _ in range(2)]
    assert len(caught) == 1
    assert max(errors(found[1], tensors)) < 1e-13


@TORCHS_OWN
def test_forward_mode_and_second_derivatives_are_the_canonical_forms(cuda):
    x, offset, weight, bias, mask = make(cuda, (1, 4, 5, 6), 4)

    def of_offset(convolve, kind):
        return lambda o: convolve(x.to(kind), o, weight.to(kind), bias.to(kind), 1, 1, 1, mask.to(kind)).square()

    found, expected = (
        torch.func.jvp(of_offset(convolve, kind), (offset.to(kind),), (offset.to(kind),))[1]
        for convolve, kind in ((deform_conv2d, torch.float32), (canonical_deform_conv2d, torch.float64))
    )
    assert (found - expected).norm() <= 1e-5 * expected.norm()
    twice = []
    for convolve, kind in ((deform_conv2d, torch.float32), (canonical_deform_conv2d, torch.float64)):
        leaf = offset.to(kind, copy=True).requires_grad_()
        (once,) = torch.autograd.grad(of_offset(convolve, kind)(leaf).sum(), leaf, create_graph=True)
        twice += torch.autograd.grad(once.square().sum(), leaf)
    assert (twice[0] - twice[1]).norm() <= 1e-4 * twice[1].norm()


def test_out_of_memory_is_torchs_own_error_and_the_next_call_works(cuda):
    tensors = make(cuda, (1, 8, 16, 16), 8)
    weight = torch.empty(1 << 18, 8, 1, 1, device=cuda)
    x, offset = torch.empty(1, 8, 2048, 2048, device=cuda), torch.zeros(1, 2, 2048, 2048, device=cuda)
    with pytest.raises(torch.cuda.OutOfMemoryError, match="out of memory"):
        deform_conv2d(x, offset, weight)  # 4 TiB
    check(tensors)


@pytest.mark.parametrize("deterministic", [False, True])
def test_sizes_past_2_to_the_31_agree_with_a_crop(deterministic, cuda):
    if torch.cuda.get_device_properties(cuda).total_memory < 100 << 30:
        pytest.skip("needs 100 GiB on the device")
    height, width, rows, border = 8192, 4160, 8, 12  # 64 channels: 2.2e9 elements
    x = torch.randn(1, 64, height, width, device=cuda, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    whole, eighths = (torch.randint(*r, (1, 2, height, width), device=cuda) for r in ((-2, 2), (1, 8)))
    offset = (whole + eighths / 8).bfloat16()
    del whole, eighths
    weight = torch.randn(64, 64, 1, 1, device=cuda, dtype=torch.bfloat16) / 8
    leaves = [t.requires_grad_() for t in (x, offset)]
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        result = deform_conv2d(*leaves, weight)
        to_x, to_offset = torch.autograd.grad(result, leaves, result.detach())
    finally:
        torch.use_deterministic_algorithms(False)
        torch.utils.deterministic.fill_uninitialized_memory = True
    crop = [t.detach()[..., -border:, :].double().requires_grad_() for t in (x, offset)]
    expected = canonical_deform_conv2d(*crop, weight.double())
    wanted = torch.autograd.grad(expected, crop, result.detach()[..., -border:, :].double())
    for one, other in zip((result, to_x, to_offset), (expected, *wanted), strict=True):
        # What the crop cuts off touches its first rows alone.
        one, other = one[..., -rows:, :].double(), other[..., -rows:, :]
        assert (one - other).norm() <= CLOSE[torch.bfloat16] * other.norm()


def test_the_time_is_no_shorter_than_the_arithmetic_and_ends_after_it(cuda):
    x, offset, weight, bias, mask = make(cuda, (8, 256, 56, 56), 256, torch.bfloat16, layout=torch.channels_last)

    def call():
        return deform_conv2d(x, offset, weight, bias, 1, 1, 1, mask)

    by_events = min(seconds(call, cuda))
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(20):
        call()
    torch.cuda.synchronize()
    by_clock = (time.perf_counter() - start) / 20
    floor = 2 * 8 * 56 * 56 * 9 * 256 * 256 / 2e15  # twice the arithmetic of any GPU of this day
    assert floor < by_events
    assert by_clock < 5 * by_events + 1e-3
    assert by_events < 5 * by_clock + 1e-3
