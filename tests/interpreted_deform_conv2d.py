"""The Triton kernels of deform_conv2d through Triton's interpreter, on a CPU: `test_deform_conv2d_triton.py` runs this.

It needs a process of its own: TRITON_INTERPRET=1 is read once, when the kernels are imported.
"""

import importlib
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import triton.language as tl
from torch.testing import assert_close
from triton.runtime import interpreter

from dmbench.layers.deform_conv2d import _geometry, canonical_deform_conv2d, deform_conv2d, equations
from dmbench.layers.kernels import deform_conv2d_triton as kernels
from dmbench.layers.kernels import deform_conv2d_triton_plan as plan
from dmbench.layers.kernels import deform_conv2d_triton_run as runs
from dmbench.layers.kernels.deform_conv2d_triton import deform_conv2d_triton

# Of the norm: a few roundings; the interpreter cuts bfloat16 off, twice here, at 2^-8 each.
CLOSE = {torch.float32: 1e-6, torch.float16: 6e-4, torch.bfloat16: 2**-7}


@pytest.fixture(autouse=True)
def few_programs(monkeypatch):
    """One multiprocessor, so that nothing is split; and bfloat16 products, whose bits the interpreter multiplies."""
    monkeypatch.setattr(plan, "processors", lambda device: 1)
    product = interpreter.InterpreterBuilder.create_dot

    def widened(handle):
        if handle.dtype.scalar != tl.bfloat16:
            return handle
        return interpreter.TensorHandle((handle.data.astype(np.uint32) << 16).view(np.float32), tl.float32)

    def create_dot(self, a, b, *others):
        return product(self, widened(a), widened(b), *others)

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", create_dot)


def make(dtype=torch.float32, groups=1, deformable=1, modulated=True, biased=True, kernel=(2, 1), filters=6, **options):
    """The tensors and pairs of a call: 6 channels; offsets are eighths, exact in each dtype, never whole pixels."""
    generator = torch.Generator().manual_seed(0)
    pairs = [options.get("stride", (1, 1)), options.get("padding", (1, 0)), options.get("dilation", (1, 1))]
    batch, size, taps = options.get("batch", 2), options.get("size", (4, 3)), math.prod(kernel)
    out = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, *pairs, strict=True)
    ]  # fmt: skip

    def noise(*shape):
        return torch.randn(shape, generator=generator).to(dtype)

    def whole(low, high):
        return torch.randint(low, high, (batch, 2 * deformable * taps, *out), generator=generator)

    tensors = (
        noise(batch, 6, *size).to(memory_format=options.get("layout", torch.contiguous_format)),
        (whole(-2, 2) + whole(1, 8) / 8).to(dtype),
        noise(filters, 6 // groups, *kernel),
        noise(filters) if biased else None,
        noise(batch, deformable * taps, *out) if modulated else None,
    )
    return tensors, pairs


def by_kernels(tensors, pairs):
    return deform_conv2d_triton(tensors, _geometry(*tensors[:4], *pairs, tensors[4]))


def by_equations(tensors, pairs):
    return equations(*tensors, _geometry(*tensors[:4], *pairs, tensors[4]))


def run(convolve, tensors, pairs, dtype=None):
    """The result and all gradients, in `dtype`, for one upstream gradient."""
    leaves = [None if t is None else t.detach().to(dtype or t.dtype).requires_grad_() for t in tensors]
    result = convolve(leaves, pairs)
    upstream = torch.randn(result.shape, generator=torch.Generator().manual_seed(1)).to(tensors[0].dtype)
    return result, *torch.autograd.grad(result, [t for t in leaves if t is not None], upstream.to(result.dtype))


def agree(tensors, pairs, found=None):
    """All are within a few roundings of float64's."""
    expected = run(by_equations, tensors, pairs, torch.float64)
    for one, other in zip(found or run(by_kernels, tensors, pairs), expected, strict=True):
        assert one.dtype == tensors[0].dtype
        assert (one.double() - other).norm() <= CLOSE[one.dtype] * other.norm()


CASES = {
    "version 1, uneven pairs": {
        "modulated": False,
        "biased": False,
        "kernel": (2, 3),
        "stride": (2, 1),
        "padding": (1, 2),
        "dilation": (1, 2),
    },
    "deformable groups": {"deformable": 3, "layout": torch.channels_last},
    "groups that do not divide each other": {"groups": 2, "deformable": 3},
    "groups in one deformable group": {"groups": 3, "filters": 3, "biased": False},
    "float16": {"dtype": torch.float16, "groups": 2},
    "bfloat16": {"dtype": torch.bfloat16, "layout": torch.channels_last},
}


@pytest.mark.parametrize("case", CASES)
def test_the_kernels_are_the_canonical_form_in_float64_all_gradients_included(case):
    agree(*make(**CASES[case]))


def test_sums_that_are_split_unevenly_among_programs_are_the_same(monkeypatch):
    kernels = {"forward": "plan_forward", "backward": "plan_samples", "weights": "plan_weights"}
    for name, planned in kernels.items():
        module = importlib.import_module(f"dmbench.layers.kernels.deform_conv2d_triton_{name}")
        once = getattr(module, planned)
        monkeypatch.setattr(module, planned, lambda *given, once=once: replace(once(*given), n=16, split=2))
    tensors, pairs = make(kernel=(3, 1), size=(9, 8), batch=1, layout=torch.channels_last)
    x, offset, weight, bias, mask = tensors
    agree((x.repeat(1, 6, 1, 1), offset, weight.repeat(1, 6, 1, 1), bias, mask), pairs)  # 36 channels are 3 tiles


def test_more_positions_and_channels_than_a_tile_are_the_same(monkeypatch):
    monkeypatch.setattr(plan, "block", lambda size, most: 16)
    tensors, pairs = make(size=(9, 9))
    tensors = (
        [t.repeat_interleave(4, 1) for t in tensors[:1]] + [tensors[1], tensors[2].repeat(5, 4, 1, 1)] + [None, None]
    )
    agree(tensors, pairs)


def test_64_bit_indices_are_the_same(monkeypatch):
    monkeypatch.setattr(plan, "INT32", 0)
    agree(*make())


def test_the_deterministic_gradient_is_the_same_and_goes_by_pictures(monkeypatch):
    monkeypatch.setattr(runs, "COLUMNS", 1)
    tensors, pairs = make(deformable=2, layout=torch.channels_last)
    before = run(by_kernels, tensors, pairs)
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    found = run(by_kernels, tensors, pairs)
    agree(tensors, pairs, found)
    assert_close(found, before, rtol=0, atol=1e-5)


def test_at_whole_offsets_the_slope_is_the_one_to_the_right():
    tensors, pairs = make()
    tensors[1].round_()
    agree(tensors, pairs)


def test_far_infinite_and_nan_offsets_are_as_in_the_canonical_form():
    tensors, pairs = make()
    offset = tensors[1]
    offset.view(-1)[::5] = torch.tensor([1e30, -1e30, math.inf, -math.inf, -1.5, 3.5]).repeat(9)[
        : offset.view(-1)[::5].numel()
    ]
    agree(tensors, pairs)
    offset[0, 1, 2, 1] = math.nan
    result, to_image = run(by_kernels, tensors, pairs)[:2]
    assert_close(result.isnan(), by_equations(tensors, pairs).isnan(), rtol=0, atol=0)
    assert to_image.isfinite().all()


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_pixel_that_no_sample_touches_does_not_leak(value):
    tensors, pairs = make(modulated=False, biased=False)
    tensors[0][:, :, 0, 0] = value
    tensors[1].fill_(100)
    assert_close(by_kernels(tensors, pairs).count_nonzero().item(), 0, rtol=0, atol=0)


def test_the_operator_is_as_torch_wants_it_and_compiles_without_a_graph_break():
    tensors, pairs = make(kernel=(1, 1), batch=1, padding=(0, 0))
    leaves = [t.requires_grad_() for t in tensors]
    lists = [list(pair) for pair in pairs]
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.dmbench.deform_conv2d, (*leaves, *lists), test_utils=checks)
    compiled = torch.compile(lambda *t: by_kernels(t, pairs).sin(), backend="aot_eager", fullgraph=True)
    found, expected = compiled(*leaves), by_kernels(leaves, pairs).sin()
    assert_close(found, expected, rtol=0, atol=0)
    for one, other in zip(*(torch.autograd.grad(y.sum(), leaves) for y in (found, expected)), strict=True):
        assert_close(one, other, rtol=0, atol=0)


def test_the_layer_takes_the_kernels_on_its_device_also_compiled_and_under_autocast(monkeypatch):
    as_if_on_a_gpu(monkeypatch)
    tensors, pairs = make(kernel=(1, 1), batch=1)
    x, offset, weight, bias, mask = tensors

    def layer(x):
        return deform_conv2d(x, offset, weight, bias, *pairs, mask)

    leaf = x.requires_grad_()
    expected = by_kernels(tensors, pairs)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    dynamic = torch.compile(layer, backend="aot_eager", fullgraph=True, dynamic=True)
    for result in (layer(leaf), compiled(leaf), dynamic(leaf)):
        assert "deform_conv2d" in result.grad_fn.name() or "CompiledFunction" in result.grad_fn.name()
        assert_close(result, expected, rtol=0, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(layer(x), expected, rtol=0, atol=0)
        lower = layer(x.bfloat16())
    assert lower.dtype == torch.bfloat16
    assert (lower.double() - expected.double()).norm() <= 2 * CLOSE[torch.bfloat16] * expected.double().norm()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch scripts its own decompositions
def test_forward_mode_takes_the_canonical_form(monkeypatch):
    as_if_on_a_gpu(monkeypatch)
    (x, *others), pairs = make(kernel=(1, 1), batch=1)

    def tangent(convolve, dtype):
        weights = [t.to(dtype) for t in others]
        call = lambda x: convolve(x, *weights[:3], *pairs, weights[3])  # noqa: E731
        return torch.func.jvp(call, (x.to(dtype),), (x.to(dtype),))[1]

    found, expected = tangent(deform_conv2d, torch.float32), tangent(canonical_deform_conv2d, torch.float64)
    assert (found - expected).norm() <= 1e-6 * expected.norm()


def as_if_on_a_gpu(monkeypatch):
    monkeypatch.setattr(kernels, "DEVICE", "cpu")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))


def test_second_derivatives_are_the_canonical_forms():
    def second(convolve, tensors):
        leaves = [t.detach().requires_grad_() for t in tensors]
        (first,) = torch.autograd.grad(convolve(leaves, pairs).square().sum(), leaves[1], create_graph=True)
        return torch.autograd.grad(first.square().sum(), leaves)

    tensors, pairs = make(kernel=(1, 1), batch=1)
    expected = second(by_equations, [t.double() for t in tensors])
    for one, other in zip(second(by_kernels, tensors), expected, strict=True):
        assert (one.double() - other).norm() <= 1e-5 * other.norm()


def test_the_result_and_the_gradients_lie_as_the_inputs_do():
    for layout in (torch.contiguous_format, torch.channels_last):
        tensors, pairs = make(layout=layout, kernel=(1, 1))
        result, to_image, to_offset, to_weight, *_ = run(by_kernels, tensors, pairs)
        assert result.is_contiguous(memory_format=layout)
        assert to_image.is_contiguous(memory_format=layout)
        assert to_offset.is_contiguous()
        assert to_weight.is_contiguous()


def test_an_empty_batch_gives_an_empty_result_and_zero_gradients():
    (x, offset, weight, bias, mask), pairs = make()
    found = run(by_kernels, (x[:0], offset[:0], weight, bias, mask[:0]), pairs)
    assert [tuple(one.shape) for one in found[:2]] == [(0, 6, 5, 3), (0, 6, 4, 3)]
    assert_close(found[3], torch.zeros_like(weight), rtol=0, atol=0)


@pytest.mark.parametrize("wanted", range(5))
def test_each_gradient_can_be_asked_for_alone(wanted):
    tensors, pairs = make(kernel=(1, 1), batch=1)
    alone = [t.clone().requires_grad_(index == wanted) for index, t in enumerate(tensors)]
    (one,) = torch.autograd.grad(by_kernels(alone, pairs).sum(), alone[wanted])
    other = [t.double().requires_grad_() for t in tensors]
    (expected,) = torch.autograd.grad(canonical(other, pairs).sum(), other[wanted])
    assert (one.double() - expected).norm() <= 1e-6 * expected.norm()


def canonical(tensors, pairs):
    x, offset, weight, bias, mask = tensors
    return canonical_deform_conv2d(x, offset, weight, bias, *pairs, mask)
