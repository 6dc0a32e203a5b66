"""deform_conv2d: the equations as loops, torch and torchvision where they agree, gradients, limits, errors."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv2d, pad

from dmbench.experiments.deform_conv2d import DEFORM_CONV2D
from dmbench.harness.device import peak_bytes
from dmbench.harness.errors import ContractError
from dmbench.layers.deform_conv2d import DeformConv2d, canonical_deform_conv2d, deform_conv2d
from dmbench.layers.kernels import deform_conv2d_cpu_samples
from dmbench.layers.kernels import deform_conv2d_cpu_sizes as sizes
from dmbench.layers.kernels import product as products
from dmbench.peers._torchvision import operator

BOTH = pytest.mark.parametrize("convolve", [deform_conv2d, canonical_deform_conv2d])
CPU = torch.device("cpu")
# Forward mode imports torch's own decompositions, which torch scripts.
FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
few = settings(deadline=None, max_examples=30, derandomize=True)


@st.composite
def cases(draw):
    """The tensors (input, offset, weight, bias, mask) and the keywords of one call."""
    pairs = {
        "stride": draw(st.tuples(st.integers(1, 2), st.integers(1, 3))),
        "padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        "dilation": draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
    }
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    size = tuple(d * (k - 1) + 1 + draw(st.integers(0, 3)) for d, k in zip(pairs["dilation"], kernel, strict=True))
    groups, deformable = draw(st.sampled_from([(1, 1), (1, 2), (2, 1), (3, 3), (2, 6), (6, 2), (2, 3)]))
    batch, filters = draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    modulated, biased = draw(st.booleans()), draw(st.booleans())
    tensors = make(batch, 6, size, filters, kernel, groups, deformable, modulated, biased, **pairs)
    return tensors, pairs


def make(batch, channels, size, filters, kernel, groups, deformable, modulated, biased=True, **pairs):
    generator = torch.Generator().manual_seed(batch + 3 * size[0] + 5 * size[1] + 7 * groups + 11 * deformable)

    def noise(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    out = output_size(size, kernel, **pairs)
    taps = kernel[0] * kernel[1]
    return (
        noise(batch, channels, *size),
        2 * noise(batch, 2 * deformable * taps, *out),
        noise(filters, channels // groups, *kernel),
        noise(filters) if biased else None,
        noise(batch, deformable * taps, *out) if modulated else None,
    )


def output_size(size, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    each = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in each)


def run(convolve, tensors, **pairs):
    x, offset, weight, bias, mask = tensors
    return convolve(x, offset, weight, bias, mask=mask, **pairs)


def small(**changes):
    """One small case of version 2: (1, 4, 5, 6), 3 x 3, padding 1."""
    case = {"groups": 1, "deformable": 2, "modulated": True, "padding": (1, 1)} | changes
    return make(1, 4, (5, 6), 4, (3, 3), **case)


def looped(x, offset, weight, bias, mask, stride, padding, dilation):
    """Eqs. 2 to 4 as printed: for each tap the sum over all pixels q of G(q, p) x(q)."""
    filters, share, rows, columns = weight.shape
    channels, height, width = x.shape[1:]
    taps, groups = rows * columns, channels // share
    deformable = offset.shape[1] // (2 * taps)
    out = torch.zeros(x.shape[0], filters, *offset.shape[2:], dtype=x.dtype)
    for n in range(x.shape[0]):
        for i in range(offset.shape[2]):
            for j in range(offset.shape[3]):
                for k in range(taps):
                    for g in range(deformable):
                        dy, dx = offset[n, 2 * (g * taps + k) : 2 * (g * taps + k) + 2, i, j]
                        y = i * stride[0] - padding[0] + k // columns * dilation[0] + dy
                        z = j * stride[1] - padding[1] + k % columns * dilation[1] + dx
                        near_y = (1 - (torch.arange(height) - y).abs()).clamp(min=0)
                        near_x = (1 - (torch.arange(width) - z).abs()).clamp(min=0)
                        modulation = 1 if mask is None else mask[n, g * taps + k, i, j]
                        for c in range(g * channels // deformable, (g + 1) * channels // deformable):
                            value = near_y @ x[n, c] @ near_x * modulation
                            group = c // share
                            mine = slice(group * filters // groups, (group + 1) * filters // groups)
                            out[n, mine, i, j] += weight[mine, c % share, k // columns, k % columns] * value
    return out if bias is None else out + bias.view(-1, 1, 1)


def gradients(convolve, tensors, upstream=None, **pairs):
    leaves = [None if t is None else t.clone().requires_grad_() for t in tensors]
    result = run(convolve, leaves, **pairs)
    if upstream is None:
        upstream = torch.randn(result.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.autograd.grad(result, [t for t in leaves if t is not None], upstream.to(result.dtype))


@settings(few, max_examples=12)
@given(cases())
def test_both_forms_are_the_equations_as_loops(case):
    tensors, pairs = case
    expected = looped(*tensors, **pairs)
    for convolve in (deform_conv2d, canonical_deform_conv2d):
        torch.testing.assert_close(run(convolve, tensors, **pairs), expected, rtol=0, atol=1e-13)


@few
@given(cases())
def test_the_gradients_are_those_of_the_canonical_form(case):
    tensors, pairs = case
    for one, other in zip(
        gradients(deform_conv2d, tensors, **pairs), gradients(canonical_deform_conv2d, tensors, **pairs), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("groups", "deformable"), [(1, 1), (1, 2), (2, 1), (2, 2), (4, 2), (2, 4)])
@pytest.mark.parametrize(
    ("positions", "samples"),
    [(7, 1), (29, 1), (31, 1), (61, 1), (7, 10**6), (31, 10**6)],
    ids=["parts of a picture", "one short", "a picture", "two pictures", "columns in parts", "columns across pictures"],
)
def test_chunks_change_nothing(groups, deformable, positions, samples, monkeypatch):
    tensors = make(3, 4, (5, 6), 4, (3, 3), groups, deformable, True, padding=(1, 1))
    whole = run(deform_conv2d, tensors, padding=1), *gradients(deform_conv2d, tensors, padding=1)
    monkeypatch.setattr(sizes, "SAMPLES", (samples, samples))
    monkeypatch.setattr(sizes, "COLUMNS", (1, 1))
    monkeypatch.setattr(sizes, "FEWEST", positions)
    parts = run(deform_conv2d, tensors, padding=1), *gradients(deform_conv2d, tensors, padding=1)
    for one, other in zip(parts, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("side", [1, 7, 40, 200])
@pytest.mark.parametrize(("groups", "deformable"), [(1, 1), (4, 4)])
def test_each_position_is_in_one_chunk(batch, side, groups, deformable):
    pair = (side, side)
    g = sizes.Geometry(pair, pair, (3, 3), (1, 1), (1, 1), (1, 1), batch, 64, groups, deformable)
    found = list(sizes.chunks(g, 4, 4))
    places = [
        image * g.area + place
        for chunk in found
        for image in range(batch)[chunk.images]
        for place in range(g.area)[chunk.places]
    ]
    assert places == list(range(g.positions))
    assert places == [row for chunk in found for row in range(g.positions)[chunk.rows]]


@pytest.mark.parametrize("radix", [1, 100, 1000, 10**6])
def test_what_fills_up_the_sort_is_no_sample(radix, monkeypatch):
    tensors = small()
    whole = gradients(deform_conv2d, tensors, padding=1)
    monkeypatch.setattr(deform_conv2d_cpu_samples, "RADIX", radix)
    for one, other in zip(gradients(deform_conv2d, tensors, padding=1), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("modulated", [False, True])
def test_torchvision_agrees(modulated):
    try:
        theirs = operator("deform_conv2d")
    except NotImplementedError as error:
        pytest.skip(str(error))
    tensors = make(2, 12, (9, 8), 6, (3, 2), 3, 4, modulated, stride=(2, 1), padding=(1, 2), dilation=(1, 2))
    pairs = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    ours = run(deform_conv2d, tensors, **pairs), *gradients(deform_conv2d, tensors, **pairs)
    expected = run(theirs, tensors, **pairs), *gradients(theirs, tensors, **pairs)
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize(("groups", "deformable"), [(1, 1), (1, 4), (4, 1), (4, 4), (4, 2), (2, 4)])
def test_float32_is_within_1e_5_of_float64_all_gradients_included(groups, deformable, onednn, monkeypatch):
    if not onednn:
        monkeypatch.setattr(products, "_has_operators", lambda: False)
    tensors = make(1, 32, (20, 20), 32, (3, 3), groups, deformable, True, padding=(1, 1))
    single = [t.float() for t in tensors]
    # In float32 the offsets themselves are rounded: both must see the same ones.
    exact_of_single = [t.double() for t in single]
    exact = (
        run(canonical_deform_conv2d, exact_of_single, padding=1),
        *gradients(canonical_deform_conv2d, exact_of_single, padding=1),
    )
    rounded = run(deform_conv2d, single, padding=1), *gradients(deform_conv2d, single, padding=1)
    for one, other in zip(rounded, exact, strict=True):
        assert one.dtype == torch.float32
        assert ((one.double() - other).abs().max() / other.abs().max()) < 1e-5


@FORWARD_MODE
@pytest.mark.parametrize(("groups", "deformable", "modulated"), [(1, 1, False), (2, 1, True), (1, 2, True)])
def test_gradcheck_of_all_inputs(groups, deformable, modulated):
    tensors = make(1, 2, (3, 3), 2, (2, 2), groups, deformable, modulated)
    inputs = [None if t is None else t.requires_grad_() for t in tensors]
    assert torch.autograd.gradcheck(lambda *t: run(deform_conv2d, t), inputs, check_forward_ad=True)


def test_second_derivatives_are_right():
    inputs = [t.requires_grad_() for t in make(1, 2, (3, 2), 1, (2, 2), 1, 1, True)]
    assert torch.autograd.gradgradcheck(lambda *t: run(deform_conv2d, t), inputs)


@FORWARD_MODE
def test_functional_transforms_are_right():
    x, offset, weight, bias, mask = small()

    def of_offset(convolve):
        return lambda o: convolve(x, o, weight, bias, 1, 1, 1, mask)

    found, expected = (
        torch.func.jvp(of_offset(one), (offset,), (offset.sin(),))[1]
        for one in (deform_conv2d, canonical_deform_conv2d)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    step = 1e-6 * offset.sin()
    numeric = (of_offset(deform_conv2d)(offset + step) - of_offset(deform_conv2d)(offset - step)) / 2e-6
    torch.testing.assert_close(found, numeric, rtol=0, atol=1e-7)
    both = torch.func.vmap(lambda w: deform_conv2d(x, offset, w, bias, 1, 1, 1, mask))(torch.stack([weight, -weight]))
    alone = torch.stack([deform_conv2d(x, offset, w, bias, 1, 1, 1, mask) for w in (weight, -weight)])
    torch.testing.assert_close(both, alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize("wanted", range(5))
def test_each_gradient_can_be_asked_for_alone(wanted):
    tensors = list(small())
    alone = [t.clone().requires_grad_(index == wanted) for index, t in enumerate(tensors)]
    upstream = torch.ones(1, 4, 5, 6, dtype=torch.float64)
    (one,) = torch.autograd.grad(run(deform_conv2d, alone, padding=1), alone[wanted], upstream)
    other = gradients(deform_conv2d, tensors, upstream, padding=1)[wanted]
    torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_are_the_same_bit_for_bit_each_time(threads):
    tensors = [t.float() for t in make(2, 16, (57, 59), 16, (3, 3), 1, 2, True, padding=(1, 1))]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        first, second = (gradients(deform_conv2d, tensors, padding=1) for _ in range(2))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_torch_compile_takes_the_canonical_form_without_a_graph_break():
    tensors = small()
    compiled = torch.compile(lambda *t: run(deform_conv2d, t, padding=1), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(*tensors), run(deform_conv2d, tensors, padding=1), rtol=0, atol=1e-13)


@BOTH
@pytest.mark.parametrize("groups", [1, 2])
def test_zero_offsets_are_the_plain_convolution(convolve, groups):
    x, offset, weight, bias, _ = make(2, 4, (7, 6), 4, (3, 2), groups, 1, False, stride=(2, 1), dilation=(1, 2))
    ours = convolve(x, torch.zeros_like(offset), weight, bias, (2, 1), 0, (1, 2))
    expected = conv2d(x, weight, bias, (2, 1), 0, (1, 2), groups)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-13)


@BOTH
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "place", [-1.5, -1.0, -0.75, -0.5, 0.0, 0.25, 2.75, 3.0, 3.25, 3.999, 4.0, 4.5, 1e30, -1e30, math.inf, -math.inf]
)
def test_a_sample_fades_to_zero_within_a_pixel_of_the_border(convolve, axis, place):
    line = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64)
    x = line.view(1, 1, *((4, 1) if axis == 0 else (1, 4)))
    offset = torch.zeros(1, 2, *x.shape[2:], dtype=torch.float64)
    offset[0, axis, 0, 0] = place
    found = convolve(x, offset, torch.ones(1, 1, 1, 1, dtype=torch.float64))[0, 0, 0, 0]
    wide = pad(line, (1, 1))
    between = min(max(place, -1.0), 4.0) + 1
    low = min(int(between), 4)
    expected = wide[low] + (between - low) * (wide[low + 1] - wide[low])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


@BOTH
def test_a_nan_offset_gives_nan_there_and_nowhere_else(convolve):
    x, offset, weight, bias, mask = small()
    whole = convolve(x, offset, weight, bias, 1, 1, 1, mask)
    offset[0, 3, 2, 4] = math.nan
    leaf = x.requires_grad_()
    found = convolve(leaf, offset, weight, bias, 1, 1, 1, mask)
    assert found[0, :, 2, 4].isnan().all()
    keep = torch.ones(5, 6, dtype=torch.bool)
    keep[2, 4] = False
    torch.testing.assert_close(found[..., keep], whole[..., keep], rtol=0, atol=1e-13)
    assert torch.autograd.grad(found.sum(), leaf)[0].isfinite().all()


@BOTH
def test_at_whole_offsets_the_gradient_is_the_slope_to_the_right(convolve):
    x, offset, *others = small()
    offset = offset.round()
    found = gradients(convolve, (x, offset, *others), torch.ones(1, 4, 5, 6, dtype=torch.float64), padding=1)[1]
    here, step = run(convolve, (x, offset, *others), padding=1).sum(), 1e-6
    for index in range(0, offset.numel(), 37):
        moved = offset.clone()
        moved.view(-1)[index] += step
        slope = (run(convolve, (x, moved, *others), padding=1).sum() - here) / step
        torch.testing.assert_close(found.view(-1)[index], slope, rtol=0, atol=1e-7)


@BOTH
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_pixel_that_no_sample_touches_does_not_leak(convolve, value):
    x = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    x[0, 0, 0, 0] = value  # the first pixel, where a lazy index for "outside" would point
    offset = torch.full((1, 2, 4, 4), 100.0, dtype=torch.float64)
    found = convolve(x, offset, torch.ones(1, 1, 1, 1, dtype=torch.float64))
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=0)


@BOTH
def test_far_offsets_have_no_gradient(convolve):
    x, offset, weight, bias, mask = small()
    far = torch.full_like(offset, 1e20)
    to_x, to_offset, to_weight, _, to_mask = gradients(convolve, (x, far, weight, bias, mask), padding=1)
    for gradient in (to_x, to_offset, to_weight, to_mask):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=0)


@BOTH
def test_an_empty_batch_gives_an_empty_result_and_zero_gradients(convolve):
    x, offset, weight, bias, mask = small()
    weight.requires_grad_()
    found = convolve(x[:0], offset[:0], weight, bias, 1, 1, 1, mask[:0])
    assert tuple(found.shape) == (0, 4, 5, 6)
    found.sum().backward()
    torch.testing.assert_close(weight.grad, torch.zeros_like(weight), rtol=0, atol=0)


@BOTH
def test_the_layout_in_memory_changes_nothing(convolve):
    tensors = small()
    expected = run(convolve, tensors, padding=1), *gradients(convolve, tensors, padding=1)
    strided = [torch.stack([t, t], -1)[..., 0] for t in tensors]
    last = [t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for t in tensors]
    turned = [t.mT.contiguous().mT if t.ndim == 4 else t for t in tensors]
    for layout in (strided, last, turned):
        found = run(convolve, layout, padding=1), *gradients(convolve, layout, padding=1)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


def test_channels_last_in_is_channels_last_out():
    x, offset, weight, bias, mask = small()
    assert deform_conv2d(x, offset, weight, bias, 1, 1, 1, mask).is_contiguous()
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    found = deform_conv2d(x, offset, weight, bias, 1, 1, 1, mask)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.autograd.grad(found.sum(), x)[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    tensors = [t.to(dtype) for t in small()]
    expected = run(deform_conv2d, [t.float() for t in tensors], padding=1).to(dtype)
    torch.testing.assert_close(run(deform_conv2d, tensors, padding=1), expected, rtol=0, atol=0)


def test_autocast_does_not_lower_the_precision_and_takes_mixed_dtypes():
    tensors = [t.float() for t in small()]
    expected = run(deform_conv2d, tensors, padding=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = run(deform_conv2d, tensors, padding=1)
        mixed = run(deform_conv2d, [tensors[0].bfloat16(), *tensors[1:]], padding=1)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert mixed.dtype == torch.bfloat16


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_result_may_be_changed_in_place(layout):
    x, *others = small()
    leaf = x.to(memory_format=layout).requires_grad_()
    torch.autograd.grad(run(deform_conv2d, [leaf, *others], padding=1).relu_().sum(), leaf)


def test_the_columns_are_never_whole():
    x, offset, weight = torch.randn(1, 64, 48, 48), torch.zeros(1, 18, 48, 48), torch.randn(64, 64, 3, 3)
    leaves = [t.requires_grad_() for t in (x, offset, weight)]
    columns = 4 * 9 * 64 * 48 * 48
    used = peak_bytes(lambda: torch.autograd.grad(deform_conv2d(*leaves, padding=1).sum(), leaves), CPU)
    canonical = peak_bytes(lambda: torch.autograd.grad(canonical_deform_conv2d(*leaves, padding=1).sum(), leaves), CPU)
    assert used < 1.5 * columns < canonical / 2


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("groups", "deformable"), [(1, 1), (1, 4), (4, 1), (4, 4)])
def test_the_peak_is_not_above_torchvisions(groups, deformable, backward):
    try:
        theirs = operator("deform_conv2d")
    except NotImplementedError as error:
        pytest.skip(str(error))
    tensors = [t.float() for t in make(2, 64, (32, 32), 64, (3, 3), groups, deformable, True, padding=(1, 1))]
    used = []
    for convolve in (deform_conv2d, theirs):
        leaves = [t.clone().requires_grad_(backward) for t in tensors]

        def work(convolve=convolve, leaves=leaves):
            result = run(convolve, leaves, padding=1)
            return torch.autograd.grad(result, leaves, torch.ones_like(result)) if backward else result

        used.append(peak_bytes(work, CPU))
    assert used[0] <= used[1]


@pytest.mark.parametrize(("side", "expected"), [(1000, torch.int32), (46336, torch.int32), (46341, torch.int64)])
def test_rows_past_2_to_the_31_are_counted_in_64_bits(side, expected):
    geometry = sizes.Geometry((side, side), (1, 1), (1, 1), (1, 1), (0, 0), (1, 1), 1, 1, 1, 1)
    assert sizes.index_dtype(geometry.rows) == expected


@pytest.mark.parametrize("most", [0, 200])  # the table has 148 rows: 200 leaves them in 32 bits, and sorts in 64
def test_64_bit_rows_give_the_same(most, monkeypatch):
    tensors = small()
    expected = run(deform_conv2d, tensors, padding=1), *gradients(deform_conv2d, tensors, padding=1)
    asked = []

    def dtype(rows):
        asked.append(torch.int32 if rows < most else torch.int64)
        return asked[-1]

    monkeypatch.setattr(sizes, "index_dtype", dtype)
    found = run(deform_conv2d, tensors, padding=1), *gradients(deform_conv2d, tensors, padding=1)
    assert asked[-1] == torch.int64
    assert asked[0] == (torch.int32 if most else torch.int64)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_the_sort_counts_past_2_to_the_31(monkeypatch):
    monkeypatch.setattr(sizes, "SAMPLES", (4, 4))
    monkeypatch.setattr(sizes, "COLUMNS", (1, 1))
    monkeypatch.setattr(sizes, "FEWEST", 2)
    geometry = sizes.Geometry((46000, 46000), (1, 4), (1, 1), (1, 1), (0, 0), (1, 1), 1, 1, 1, 1)
    (chunk,) = sizes.chunks(geometry, 4, 4)
    places = deform_conv2d_cpu_samples.Places(torch.full((1, 2, 1, 4), 45990.0), None, geometry, 4)
    samples = places.samples(chunk)
    rows = samples.rows[:, 0].tolist()
    assert rows == [(45990 + 2) * 46002 + 45990 + 2 + step for step in range(4)]
    assert samples.by_pixel().keys.tolist() == rows[:2] + [row + geometry.rows for row in rows[2:]]


@pytest.mark.parametrize("modulated", [False, True])
def test_the_layer_starts_as_the_plain_convolution_halved_where_modulated(modulated):
    layer = DeformConv2d(4, 6, 3, 2, 1, 1, 2, offset_groups=2, modulated=modulated).double()
    x = small()[0]
    expected = conv2d(x, layer.weight, None, 2, 1, 1, 2) * (0.5 if modulated else 1) + layer.bias.view(-1, 1, 1)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-13)


def test_on_the_meta_device_the_layer_has_the_shape_of_its_result():
    with torch.device("meta"):
        found = DeformConv2d(4, 6, 3, stride=2, modulated=True)(torch.ones(2, 4, 9, 8))
    assert tuple(found.shape) == (2, 6, 4, 3)


def test_the_layer_learns_its_offsets():
    layer = DeformConv2d(4, 4, 3, padding=1, modulated=True).double()
    layer(small()[0]).square().sum().backward()
    assert (layer.branch.weight.grad.abs().amax((1, 2, 3)) > 0).all()


BAD = {
    "offset needs 18 channels for each deformable group, a divisor of 4: 17": {"offset": (1, 17, 5, 6)},
    "offset needs 18 channels for each deformable group, a divisor of 4: 54": {"offset": (1, 54, 5, 6)},
    "offset needs 18 channels for each deformable group, a divisor of 4: 0": {"offset": (1, 0, 5, 6)},
    "offset must be (1, 36, 5, 6): (1, 36, 6, 5)": {"offset": (1, 36, 6, 5)},
    "offset must be (1, 36, 5, 6): (2, 36, 5, 6)": {"offset": (2, 36, 5, 6)},
    "mask must be (1, 18, 5, 6): (1, 9, 5, 6)": {"mask": (1, 9, 5, 6)},
    "mask must be (1, 18, 5, 6): (1, 18, 5, 5)": {"mask": (1, 18, 5, 5)},
    "bias must be (4,): (3,)": {"bias": (3,)},
    "weight (4, 3, 3, 3) splits 4 channels or 4 filters unevenly": {"weight": (4, 3, 3, 3)},
    "weight (5, 2, 3, 3) splits 4 channels or 5 filters unevenly": {"weight": (5, 2, 3, 3)},
    "input must have 4 dimensions: (4, 5, 6)": {"input": (4, 5, 6)},
    "offset must have 4 dimensions: (36,)": {"offset": (36,)},
    "is empty: only N may be 0": {"input": (1, 0, 5, 6)},
    "output would be 1 x 0": {"input": (1, 4, 3, 2), "padding": 0},
    "padding must be one or two whole numbers of at least 0: -1": {"padding": -1},
    "stride must be one or two whole numbers of at least 1: 0": {"stride": 0},
    "dilation must be one or two whole numbers of at least 1: 1.5": {"dilation": 1.5},
}


@pytest.mark.parametrize(("message", "changes"), BAD.items())
@BOTH
def test_what_does_not_fit_is_refused_in_one_line(convolve, message, changes):
    shapes = {
        "input": (1, 4, 5, 6),
        "offset": (1, 36, 5, 6),
        "weight": (4, 4, 3, 3),
        "bias": (4,),
        "mask": (1, 18, 5, 6),
    }
    shapes |= {key: value for key, value in changes.items() if isinstance(value, tuple)}
    arguments = {key: torch.zeros(shape) for key, shape in shapes.items()} | {"padding": 1}
    arguments |= {key: value for key, value in changes.items() if not isinstance(value, tuple)}
    with pytest.raises(ValueError, match=re.escape(message)) as refusal:
        convolve(**arguments)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["offset", "weight", "bias", "mask"])
def test_other_dtypes_and_devices_are_refused(name):
    x, offset, weight, bias, mask = small()
    arguments = {"input": x, "offset": offset, "weight": weight, "bias": bias, "mask": mask, "padding": 1}
    with pytest.raises(TypeError, match=f"{name} is torch.float32 and input torch.float64: convert one"):
        deform_conv2d(**arguments | {name: arguments[name].float()})
    with pytest.raises(ValueError, match=f"{name} is on meta and input on cpu: move one"):
        deform_conv2d(**arguments | {name: arguments[name].to("meta")})


def test_integers_are_refused():
    with pytest.raises(TypeError, match="input must be floating, convert first: torch.int64"):
        deform_conv2d(*(t.long() for t in small()[:3]), padding=1)


@pytest.mark.parametrize("groups", [0, 3])
def test_a_layer_whose_offset_groups_do_not_divide_is_refused(groups):
    with pytest.raises(ValueError, match=f"offset_groups must divide in_channels 4: {groups}"):
        DeformConv2d(4, 4, 3, offset_groups=groups)


def test_an_implementation_that_breaks_the_contract_is_refused():
    DEFORM_CONV2D.check(deform_conv2d)
    with pytest.raises(ContractError, match="returned \\(1, 3, 2, 3\\), not a tensor"):
        DEFORM_CONV2D.check(lambda *given: deform_conv2d(*given)[..., 1:-1, 1:-1])
