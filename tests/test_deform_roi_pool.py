"""deform_roi_pool: the equations as loops, torchvision where it agrees, gradients, limits, errors."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.experiments.deform_roi_pool import DEFORM_PS_ROI_POOL, DEFORM_ROI_POOL, PS_ROI_POOL, ROI_POOL
from dmbench.harness.errors import ContractError
from dmbench.layers.deform_roi_pool import (
    DeformPSRoIPool,
    DeformRoIPool,
    deform_ps_roi_pool,
    deform_roi_pool,
    ps_roi_pool,
    roi_pool,
)
from dmbench.layers.kernels import roi_bags, roi_bins, roi_tables
from dmbench.peers import deform_roi_pool as peers

# Forward mode imports torch's own decompositions, which torch scripts.
FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
few = settings(deadline=None, max_examples=30, derandomize=True)
PLAIN = {"maximum": roi_pool, "position-sensitive": ps_roi_pool}
DEFORMABLE = {"bins": deform_roi_pool, "position-sensitive": deform_ps_roi_pool}
EACH = pytest.mark.parametrize("sensitive", [False, True])
SAMPLES = pytest.mark.parametrize("samples", [None, 3])
BINS = (2, 3)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


@st.composite
def cases(draw):
    """Features, boxes and bins: boxes inside and outside, halves, reversed, empty."""
    size, output = (
        draw(st.tuples(st.integers(1, 7), st.integers(1, 9))),
        draw(st.tuples(st.integers(1, 4), st.integers(1, 3))),
    )
    pictures, groups, share = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    corner = st.integers(-12, 40).map(lambda quarters: quarters / 2)
    box = st.tuples(st.integers(0, pictures - 1), corner, corner, corner, corner)
    boxes = torch.tensor(draw(st.lists(box, min_size=1, max_size=4)), dtype=torch.float64)
    scale = draw(st.sampled_from([1.0, 0.5, 0.3]))
    channels = groups * share
    features = noise(pictures, channels * math.prod(output), *size)
    return features, boxes, 3 * noise(len(boxes), 2 * groups, *output), output, scale, channels


def rounded(x):
    """As C does: halves away from zero."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


def bin_of(low, high, index, k, length, included):
    """The pixels of a bin inside the picture, and the side of the RoI."""
    low, high = rounded(low), rounded(high)
    side = max(high - low + included, 1)
    first, last = low + index * side // k, low - (-(index + 1) * side // k)
    return [p for p in range(first, last) if 0 <= p < length], side


def read(plane, y, x):
    """Eqs. 3 and 4: the sum over all pixels q of G(q, p) x(q)."""
    near_y = (1 - (torch.arange(plane.shape[0]) - y).abs()).clamp(min=0)
    near_x = (1 - (torch.arange(plane.shape[1]) - x).abs()).clamp(min=0)
    return near_y.double() @ plane @ near_x.double()


def looped(features, boxes, offset, output, scale, *, sensitive, largest=False, gamma=0.1):
    """Eq. 6 as printed, or the maximum of each bin."""
    bins = math.prod(output)
    channels = features.shape[1] // bins if sensitive else features.shape[1]
    result = torch.zeros(len(boxes), channels, *output, dtype=features.dtype)
    for r, (n, *corners) in enumerate(boxes.tolist()):
        x1, y1, x2, y2 = (c * scale for c in corners)
        for c in range(channels):
            for i in range(output[0]):
                for j in range(output[1]):
                    rows, h = bin_of(y1, y2, i, output[0], features.shape[2], not sensitive)
                    columns, w = bin_of(x1, x2, j, output[1], features.shape[3], not sensitive)
                    plane = features[int(n), (c * output[0] + i) * output[1] + j if sensitive else c]
                    dx = dy = 0.0
                    if offset is not None:
                        group = c * (offset.shape[1] // 2) // channels
                        dx, dy = gamma * w * offset[r, 2 * group, i, j], gamma * h * offset[r, 2 * group + 1, i, j]
                    values = [
                        plane[y, x] if offset is None else read(plane, y + dy, x + dx) for y in rows for x in columns
                    ]
                    if values:
                        values = torch.stack(values)
                        result[r, c, i, j] = values.max() if largest else values.mean()
    return result


def looped_samples(features, boxes, offset, output, scale, samples, *, sensitive, gamma=0.1):
    """What the authors' kernel computes: points from each fractional bin's first corner on, clamped near the border."""
    height, width = features.shape[2:]
    channels = features.shape[1] // math.prod(output) if sensitive else features.shape[1]
    result = torch.zeros(len(boxes), channels, *output, dtype=features.dtype)
    for r, (n, *corners) in enumerate(boxes.tolist()):
        x1, y1 = (rounded(c) * scale - 0.5 for c in corners[:2])
        w, h = (max((rounded(c) + 1) * scale - 0.5 - low, 0.1) for c, low in zip(corners[2:], (x1, y1), strict=True))
        for c in range(channels):
            for i in range(output[0]):
                for j in range(output[1]):
                    plane = features[int(n), (c * output[0] + i) * output[1] + j if sensitive else c]
                    group = c * (offset.shape[1] // 2) // channels
                    left = x1 + j * w / output[1] + gamma * w * offset[r, 2 * group, i, j]
                    top = y1 + i * h / output[0] + gamma * h * offset[r, 2 * group + 1, i, j]
                    values = []
                    for a in range(samples):
                        for b in range(samples):
                            y, x = top + a * h / output[0] / samples, left + b * w / output[1] / samples
                            if -0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5:
                                values.append(read(plane, y.clamp(0, height - 1), x.clamp(0, width - 1)))
                    if values:
                        result[r, c, i, j] = torch.stack(values).mean()
    return result


def gradients(pool, x, boxes, *others, **options):
    """Of the features, and of the offsets where there are some."""
    others = [t.clone().requires_grad_() if isinstance(t, torch.Tensor) else t for t in others]
    x = x.clone().requires_grad_()
    result = pool(x, boxes, *others, **options)
    wanted = [x, *(t for t in others if isinstance(t, torch.Tensor))]
    return torch.autograd.grad(result, wanted, noise(*result.shape, seed=1).to(result))


@few
@given(cases())
def test_the_maximum_is_that_of_the_bins_as_loops(case):
    features, boxes, _, output, scale, _ = case
    expected = looped(features, boxes, None, output, scale, sensitive=False, largest=True)
    torch.testing.assert_close(roi_pool(features, boxes, output, scale), expected, rtol=0, atol=0)


@few
@given(cases())
def test_position_sensitive_pooling_is_eq_5_as_loops(case):
    features, boxes, _, output, scale, _ = case
    expected = looped(features, boxes, None, output, scale, sensitive=True)
    torch.testing.assert_close(ps_roi_pool(features, boxes, output, scale), expected, rtol=0, atol=1e-14)


@few
@given(cases())
def test_deformable_pooling_is_eq_6_as_loops(case):
    features, boxes, offset, output, scale, channels = case
    features = features[:, :channels]
    for one in (offset[:, :2], None):
        expected = looped(features, boxes, one, output, scale, sensitive=False)
        found = deform_roi_pool(features, boxes, one, output, scale)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@few
@given(cases())
def test_deformable_position_sensitive_pooling_is_eq_6_as_loops(case):
    features, boxes, offset, output, scale, _ = case
    expected = looped(features, boxes, offset, output, scale, sensitive=True, gamma=0.2)
    found = deform_ps_roi_pool(features, boxes, offset, output, scale, gamma=0.2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@few
@given(cases(), st.integers(1, 4))
def test_samples_are_those_of_the_authors_kernel_as_loops(case, samples):
    features, boxes, offset, output, scale, channels = case
    expected = looped_samples(features, boxes, offset, output, scale, samples, sensitive=True)
    found = deform_ps_roi_pool(features, boxes, offset, output, scale, samples=samples)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
    features, offset = features[:, :channels], offset[:, :2]
    expected = looped_samples(features, boxes, offset, output, scale, samples, sensitive=False)
    found = deform_roi_pool(features, boxes, offset, output, scale, samples=samples)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@few
@given(cases())
def test_torchvision_agrees_gradients_included(case):
    features, boxes, _, output, scale, _ = case
    # Its position-sensitive pooling never reads the last row and column: these lie beyond all boxes.
    inside = torch.nn.functional.pad(features, (0, 30, 0, 30))
    for ours, theirs, x in (
        (roi_pool, peers.torchvision_roi_pool, features),
        (ps_roi_pool, peers.torchvision_ps_roi_pool, inside),
    ):
        try:
            expected = theirs(x, boxes, output, scale)
        except NotImplementedError as error:
            pytest.skip(str(error))
        torch.testing.assert_close(ours(x, boxes, output, scale), expected, rtol=0, atol=1e-14)
        (found,), (expected,) = (gradients(pool, x, boxes, output, scale) for pool in (ours, theirs))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_torchvision_reads_neither_the_last_row_nor_the_last_column_and_we_do():
    x = torch.arange(16, dtype=torch.float64).view(1, 1, 4, 4)
    boxes = torch.tensor([[0, 0, 0, 4, 4]], dtype=torch.float64)
    assert ps_roi_pool(x, boxes, 1).item() == 7.5
    try:
        theirs = peers.torchvision_ps_roi_pool(x, boxes, 1)
    except NotImplementedError as error:
        pytest.skip(str(error))
    assert theirs.item() == x[..., :3, :3].mean().item()


def test_bounds_of_bins_are_whole_where_floating_point_reads_a_row_too_many():
    x = torch.zeros(1, 1, 60, 1)
    x[0, 0, 57] = 1
    boxes = torch.tensor([[0.0, 0, 0, 0, 56]])  # 57 rows; 7 * (57 / 7) is above 57 in float32
    assert roi_pool(x, boxes, (7, 1)).max().item() == 0
    try:
        theirs = peers.torchvision_roi_pool(x, boxes, (7, 1))
    except NotImplementedError as error:
        pytest.skip(str(error))
    assert theirs.max().item() == 1


def small(sensitive, groups=2):
    """Features, boxes and offsets of one small case, away from whole positions: (2, 24 or 4, 6, 7), 3 boxes."""
    channels = 4 * math.prod(BINS) if sensitive else 4
    boxes = torch.tensor([[0, 0, 1, 5, 4], [1, -2, 2, 3, 9], [1, 4, 4, 2, 1]], dtype=torch.float64)
    return noise(2, channels, 6, 7), boxes, noise(3, 2 * groups if sensitive else 2, *BINS)


def tiny(sensitive):
    """The same for 1 x 2 bins and two output channels: few enough numbers to be varied one by one."""
    boxes = torch.tensor([[0, 0, 1, 3, 2], [1, -2, 2, 3, 9]], dtype=torch.float64)
    return noise(2, 4 if sensitive else 2, 4, 4), boxes, noise(2, 4 if sensitive else 2, 1, 2)


@pytest.mark.parametrize("name", PLAIN)
def test_gradcheck_of_the_plain_ones(name):
    x, boxes, _ = tiny(name != "maximum")
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: PLAIN[name](x, boxes, (1, 2)), x)


@EACH
@SAMPLES
def test_gradcheck_of_features_and_offsets(sensitive, samples):
    x, boxes, offset = tiny(sensitive)
    pool = DEFORMABLE["position-sensitive" if sensitive else "bins"]
    inputs = (x.requires_grad_(), offset.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, o: pool(x, boxes, o, (1, 2), samples=samples), inputs)


@EACH
def test_the_gradient_of_zero_offsets_is_the_slope_to_the_right(sensitive):
    x, boxes, offset = small(sensitive)
    pool = DEFORMABLE["position-sensitive" if sensitive else "bins"]
    zero = torch.zeros_like(offset)
    upstream = noise(3, 4, *BINS)
    leaf = zero.clone().requires_grad_()
    (found,) = torch.autograd.grad(pool(x, boxes, leaf, BINS), leaf, upstream)
    for index in range(0, offset.numel(), 5):
        step = zero.clone()
        step.view(-1)[index] = 1e-6
        slope = ((pool(x, boxes, step, BINS) - pool(x, boxes, zero, BINS)) * upstream).sum() / 1e-6
        torch.testing.assert_close(found.flatten()[index], slope, rtol=0, atol=1e-7)


def test_the_gradient_goes_to_the_first_of_equal_maxima():
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    boxes = torch.tensor([[0.0, 1, 1, 3, 3], [0, 0, 0, 0, 0]])
    (found,) = torch.autograd.grad(roi_pool(x, boxes, 1).sum(), x)
    expected = torch.zeros(1, 1, 4, 4)
    expected[0, 0, 1, 1] = expected[0, 0, 0, 0] = 1
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_boxes_have_no_gradient():
    x, boxes, offset = small(False)
    boxes.requires_grad_()
    result = deform_roi_pool(x.requires_grad_(), boxes, offset, BINS)
    assert torch.autograd.grad(result.sum(), boxes, allow_unused=True) == (None,)


def test_second_derivatives_are_right_or_refused():
    x, boxes, offset = tiny(False)
    x.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: roi_pool(x, boxes, (1, 2)), x)
    inputs = x[:, :1].detach().requires_grad_(), offset.clone().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, o: deform_roi_pool(x, boxes, o, (1, 2)), inputs)
    squares = deform_roi_pool(x, boxes, offset.requires_grad_(), (1, 2)).square().sum()
    (once,) = torch.autograd.grad(squares, x, create_graph=True)
    with pytest.raises((RuntimeError, NotImplementedError), match="not implemented"):
        torch.autograd.grad(once.square().sum(), offset)


@FORWARD_MODE
def test_forward_mode_is_refused():
    x, boxes, offset = small(False)
    for function in (lambda x: roi_pool(x, boxes, BINS), lambda x: deform_roi_pool(x, boxes, offset, BINS)):
        with pytest.raises((RuntimeError, NotImplementedError)):
            torch.func.jvp(function, (x,), (x,))


@pytest.mark.parametrize("block", [1, 40, 1000])
def test_blocks_change_nothing(block, monkeypatch):
    x, boxes, _ = small(False)
    expected = roi_pool(x, boxes, BINS), *gradients(roi_pool, x, boxes, BINS)
    monkeypatch.setattr(roi_bags, "BLOCK", block)
    for one, other in zip((roi_pool(x, boxes, BINS), *gradients(roi_pool, x, boxes, BINS)), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-15)


def test_bins_of_more_than_255_pixels_are_counted_beyond_a_byte():
    x = noise(1, 2, 20, 30).requires_grad_()
    (found,) = torch.autograd.grad(roi_pool(x, torch.tensor([[0.0, 0, 0, 29, 19]]).double(), 1).sum(), x)
    expected = (x == x.amax((2, 3), keepdim=True)).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@EACH
@SAMPLES
def test_zero_offsets_are_no_offsets(sensitive, samples):
    x, boxes, offset = small(sensitive)
    pool = DEFORMABLE["position-sensitive" if sensitive else "bins"]
    zero = torch.zeros_like(offset)
    expected = pool(x, boxes, None, BINS, samples=samples)
    torch.testing.assert_close(pool(x, boxes, zero, BINS, samples=samples), expected, rtol=0, atol=1e-15)


@EACH
@pytest.mark.parametrize("value", [1e30, -1e30, math.inf, -math.inf])
@pytest.mark.parametrize("channel", [0, 1])
def test_a_bin_moved_far_outside_is_zero_and_has_no_gradient(sensitive, value, channel):
    x, boxes, offset = small(sensitive, groups=1)
    pool = DEFORMABLE["position-sensitive" if sensitive else "bins"]
    offset[:, channel] = value
    found = pool(x, boxes, offset, BINS)
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=0)
    for gradient in gradients(pool, x, boxes, offset, BINS):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=0)


@EACH
@SAMPLES
def test_a_nan_offset_gives_nan_there_and_nowhere_else(sensitive, samples):
    x, boxes, offset = small(sensitive, groups=1)
    pool = DEFORMABLE["position-sensitive" if sensitive else "bins"]
    whole = pool(x, boxes, offset, BINS, samples=samples)
    offset[0, 1, 1, 2] = math.nan
    found = pool(x, boxes, offset, BINS, samples=samples)
    assert found[0, :, 1, 2].isnan().all()
    keep = torch.ones(3, *BINS, dtype=torch.bool)
    keep[0, 1, 2] = False
    torch.testing.assert_close(found.movedim(1, -1)[keep], whole.movedim(1, -1)[keep], rtol=0, atol=0)


def test_a_nan_makes_its_bins_nan_and_no_others():
    x = noise(1, 1, 4, 4)
    x[0, 0, 1, 2] = math.nan
    found = roi_pool(x, torch.tensor([[0, 0, 0, 3, 3]], dtype=torch.float64), 2)[0, 0]
    assert found.isnan().tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("name", [*PLAIN, "deformable"])
def test_a_pixel_that_no_bin_touches_does_not_leak(name, value):
    x = torch.ones(1, 1, 4, 4)
    x[0, 0, 0, 0] = value  # where a lazy index for "outside" would point
    boxes = torch.tensor([[0.0, 2, 2, 3, 3], [0, 50, 50, 60, 60]])
    pool = PLAIN.get(name) or (lambda *given: deform_roi_pool(*given[:2], torch.zeros(2, 2, 1, 1), given[2]))
    assert pool(x, boxes, 1).flatten().tolist() == [1, 0]


@EACH
def test_no_boxes_give_an_empty_result_and_zero_gradients(sensitive):
    x, boxes, offset = small(sensitive)
    pools = [lambda x: DEFORMABLE["position-sensitive" if sensitive else "bins"](x, boxes[:0], offset[:0], BINS)]
    pools += [lambda x, one=one: one(x, boxes[:0], BINS) for one in PLAIN.values() if sensitive or one is roi_pool]
    for pool in pools:
        leaf = x.clone().requires_grad_()
        found = pool(leaf)
        assert len(found) == 0
        assert tuple(found.shape)[2:] == BINS
        (gradient,) = torch.autograd.grad(found.sum(), leaf)
        torch.testing.assert_close(gradient, torch.zeros_like(x), rtol=0, atol=0)
        assert tuple(pool(x[:0]).shape) == tuple(found.shape)


@EACH
@SAMPLES
def test_the_layout_in_memory_changes_nothing(sensitive, samples):
    x, boxes, offset = small(sensitive)
    pool = DEFORMABLE["position-sensitive" if sensitive else "bins"]
    expected = pool(x, boxes, offset, BINS, samples=samples), *gradients(pool, x, boxes, offset, BINS, samples=samples)
    strided = [torch.stack([t, t], -1)[..., 0] for t in (x, boxes, offset)]
    last = [x.to(memory_format=torch.channels_last), boxes, offset.to(memory_format=torch.channels_last)]
    for layout in (strided, last):
        found = pool(*layout, BINS, samples=samples), *gradients(pool, *layout, BINS, samples=samples)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


@pytest.mark.parametrize("pool", [roi_pool, lambda x, boxes, k: deform_roi_pool(x, boxes, None, k)])
def test_channels_last_in_is_channels_last_out(pool):
    x, boxes, _ = small(False)
    assert pool(x, boxes, BINS).is_contiguous()
    assert pool(x.to(memory_format=torch.channels_last), boxes, BINS).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    x, boxes, offset = (t.to(dtype) for t in small(False))
    found = deform_roi_pool(x, boxes, offset, BINS)
    expected = deform_roi_pool(x.float(), boxes.float(), offset.float(), BINS).to(dtype)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(roi_pool(x, boxes, BINS), roi_pool(x.float(), boxes.float(), BINS).to(dtype))


def test_float32_is_within_1e_5_of_float64():
    x, boxes, offset = (t.float() for t in small(True))
    wide = [t.double() for t in (x, boxes, offset)]
    narrow = deform_ps_roi_pool(x, boxes, offset, BINS), *gradients(deform_ps_roi_pool, x, boxes, offset, BINS)
    exact = deform_ps_roi_pool(*wide, BINS), *gradients(deform_ps_roi_pool, *wide, BINS)
    for one, other in zip(narrow, exact, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).abs().max() / other.abs().max() < 1e-5


def test_autocast_takes_the_offsets_of_its_own_layers():
    layer = DeformRoIPool(4, BINS)
    torch.nn.init.normal_(layer.fc.weight)
    x, boxes, _ = (t.float() for t in small(False))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(x, boxes)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, layer(x, boxes), rtol=0, atol=0.1)


@SAMPLES
def test_gradients_are_the_same_bit_for_bit_each_time(samples):
    x, boxes, offset = (t.float() for t in small(True))
    first, second = (gradients(deform_ps_roi_pool, x, boxes, offset, BINS, samples=samples) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@SAMPLES
def test_a_gpu_gives_what_the_cpu_gives(samples, cuda):
    for sensitive, pool in ((False, deform_roi_pool), (True, deform_ps_roi_pool)):
        x, boxes, offset = small(sensitive)
        there = [t.to(cuda) for t in (x, boxes, offset)]
        expected = (
            pool(x, boxes, offset, BINS, samples=samples),
            *gradients(pool, x, boxes, offset, BINS, samples=samples),
        )
        found = pool(*there, BINS, samples=samples), *gradients(pool, *there, BINS, samples=samples)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one.cpu(), other, rtol=0, atol=1e-13)
    for pool in PLAIN.values():
        expected, found = pool(x, boxes, BINS), pool(there[0], there[1], BINS)
        torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-13)


def test_a_list_of_boxes_is_one_tensor_for_each_picture():
    x, boxes, _ = small(False)
    each = [boxes[boxes[:, 0] == n, 1:] for n in (0, 1)]
    torch.testing.assert_close(roi_pool(x, each, BINS), roi_pool(x, boxes, BINS), rtol=0, atol=0)


def test_torch_compile_gives_the_same():
    x, boxes, offset = small(True)
    compiled = torch.compile(deform_ps_roi_pool, backend="eager")
    expected = deform_ps_roi_pool(x, boxes, offset, BINS)
    torch.testing.assert_close(compiled(x, boxes, offset, BINS), expected, rtol=0, atol=1e-14)


def test_rows_past_2_to_the_31_are_counted_in_64_bits():
    boxes = torch.tensor([[2000.0, 1, 2, 5, 6]])
    bins = roi_bins.bins_of(boxes, 1.0, (1, 1), (2000, 2000), last_included=True)
    rectangles = roi_tables.rectangles(bins, torch.Size((2001, 1, 2000, 2000)))
    y, x, row = rectangles.pixel(torch.tensor([0]), torch.tensor([6]))
    assert (y.item(), x.item(), row.item()) == (3, 2, 2000 * 2000**2 + 3 * 2000 + 2)


@SAMPLES
def test_the_layers_start_as_plain_pooling_and_learn(samples):
    x, boxes, _ = (t.float() for t in small(False))
    layer = DeformRoIPool(4, BINS, samples=samples)
    expected = deform_roi_pool(x, boxes, None, BINS, samples=samples)
    found = layer(x, boxes)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    found.square().sum().backward()
    assert (layer.fc.weight.grad.abs().amax(1) > 0).all()
    layer = DeformPSRoIPool(4, 6, BINS, groups=3, samples=samples)
    found = layer(x, boxes)
    expected = deform_ps_roi_pool(layer.scores(x), boxes, None, BINS, samples=samples)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    found.square().sum().backward()
    assert (layer.fields.weight.grad.abs().amax((1, 2, 3)) > 0).all()


BAD = {
    "input must be (N, C, H, W): (4, 6, 7)": {"input": (4, 6, 7)},
    "input (2, 0, 6, 7) is empty: only N may be 0": {"input": (2, 0, 6, 7)},
    "boxes must be (R, 5), or a list with (L, 4) for each picture: (3, 4)": {"boxes": (3, 4)},
    "output_size must be one or two whole numbers of at least 1: (0, 3)": {"output_size": (0, 3)},
    "spatial_scale must be positive and finite: 0.0": {"spatial_scale": 0.0},
    "samples must be a whole number of at least 1, or None for the pixels of the bin: 0": {"samples": 0},
    "samples must be a whole number of at least 1, or None for the pixels of the bin: 1.5": {"samples": 1.5},
    "2 x 3 bins need a multiple of 6 channels: 25": {"input": (2, 25, 6, 7)},
    "offset must be (3, 2 * G, 2, 3), G a divisor of 4: (3, 6, 2, 3)": {"offset": (3, 6, 2, 3)},
    "offset must be (3, 2 * G, 2, 3), G a divisor of 4: (3, 3, 2, 3)": {"offset": (3, 3, 2, 3)},
    "offset must be (3, 2 * G, 2, 3), G a divisor of 4: (3, 0, 2, 3)": {"offset": (3, 0, 2, 3)},
    "offset must be (3, 2 * G, 2, 3), G a divisor of 4: (2, 2, 2, 3)": {"offset": (2, 2, 2, 3)},
    "offset must be (3, 2 * G, 2, 3), G a divisor of 4: (3, 2, 3, 2)": {"offset": (3, 2, 3, 2)},
    "offset must be (3, 2 * G, 2, 3), G a divisor of 4: (3, 2)": {"offset": (3, 2)},
}


@pytest.mark.parametrize(("message", "changes"), BAD.items())
def test_what_does_not_fit_is_refused_in_one_line(message, changes):
    shapes = {"input": (2, 24, 6, 7), "boxes": (3, 5), "offset": (3, 2, 2, 3)}
    shapes |= {key: value for key, value in changes.items() if key in shapes}
    arguments = {key: torch.zeros(shape) for key, shape in shapes.items()} | {"output_size": BINS}
    arguments |= {key: value for key, value in changes.items() if key not in shapes}
    with pytest.raises(ValueError, match=re.escape(message)) as refusal:
        deform_ps_roi_pool(**arguments)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("pool", [roi_pool, ps_roi_pool])
@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([0, 1, math.nan, 3, 4], "boxes must be finite, within 2^30 pixels: box 1 is [1.0, nan, 3.0, 4.0]"),
        ([0, 1, 2, math.inf, 4], "boxes must be finite, within 2^30 pixels: box 1 is [1.0, 2.0, inf, 4.0]"),
        ([0, -1e20, 2, 3, 4], "boxes must be finite, within 2^30 pixels: box 1"),
        ([2, 1, 2, 3, 4], "box 1 is in picture 2.0, of a batch of 2: count from 0"),
        ([-1, 1, 2, 3, 4], "box 1 is in picture -1.0, of a batch of 2: count from 0"),
        ([0.5, 1, 2, 3, 4], "box 1 is in picture 0.5, of a batch of 2: count from 0"),
        ([math.nan, 1, 2, 3, 4], "box 1 is in picture nan, of a batch of 2: count from 0"),
    ],
)
def test_boxes_that_lie_nowhere_are_refused_in_one_line(pool, box, message):
    boxes = torch.tensor([[0.0, 0, 0, 1, 1], box])
    with pytest.raises(ValueError, match=re.escape(message)) as refusal:
        pool(torch.zeros(2, 6, 5, 5), boxes, BINS)
    assert "\n" not in str(refusal.value)


def test_lists_of_boxes_that_do_not_fit_are_refused():
    x = torch.zeros(2, 6, 5, 5)
    with pytest.raises(ValueError, match="need a tensor of boxes for each of 2 pictures: 1"):
        roi_pool(x, [torch.zeros(1, 4)], BINS)
    with pytest.raises(ValueError, match=re.escape("boxes of a picture must be (L, 4): (1, 5)")):
        roi_pool(x, [torch.zeros(1, 4), torch.zeros(1, 5)], BINS)


def test_other_dtypes_and_devices_are_refused():
    x, boxes, offset = small(False)
    with pytest.raises(TypeError, match="offset is torch.float32 and input torch.float64: convert one"):
        deform_roi_pool(x, boxes, offset.float(), BINS)
    with pytest.raises(ValueError, match="offset is on meta and input on cpu: move one"):
        deform_roi_pool(x, boxes, offset.to("meta"), BINS)
    with pytest.raises(ValueError, match="boxes are on meta and input on cpu: move one"):
        roi_pool(x, boxes.to("meta"), BINS)
    with pytest.raises(TypeError, match="input must be floating, convert first: torch.int64"):
        roi_pool(x.long(), boxes, BINS)
    with pytest.raises(TypeError, match="boxes must be floating, convert first: torch.int64"):
        roi_pool(x, boxes.long(), BINS)


@pytest.mark.parametrize("groups", [0, 4])
def test_a_layer_whose_groups_do_not_divide_is_refused(groups):
    with pytest.raises(ValueError, match=f"groups must divide out_channels 6: {groups}"):
        DeformPSRoIPool(4, 6, BINS, groups=groups)


@pytest.mark.parametrize("subject", [ROI_POOL, PS_ROI_POOL, DEFORM_ROI_POOL, DEFORM_PS_ROI_POOL])
def test_an_implementation_that_breaks_the_contract_is_refused(subject):
    subject.check(subject.default)
    with pytest.raises(ContractError, match="returned .*, not a tensor"):
        subject.check(lambda *given: subject.default(*given)[..., 1:])
