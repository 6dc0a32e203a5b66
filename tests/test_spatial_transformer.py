"""spatial_transformer: the equations as loops, torch's own functions, gradients, limits, errors."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import affine_grid as torchs_grid
from torch.nn.functional import grid_sample

from dmbench import check
from dmbench.experiments.spatial_transformer import TRANSFORM
from dmbench.harness.errors import ContractError
from dmbench.layers.kernels.spatial_transformer_grids import (
    TRANSFORMS,
    affine_grid,
    attention_grid,
    projective_grid,
    thin_plate_spline_grid,
)
from dmbench.layers.spatial_transformer import KERNELS, SpatialTransformer, sample, spatial_transform
from dmbench.peers.spatial_transformer import torch_nn

few = settings(deadline=None, max_examples=30, derandomize=True)
sides = st.integers(1, 6)
CORNERS = pytest.mark.parametrize("corners", [True, False])
UNIT_SIZE = pytest.mark.filterwarnings(
    "ignore:Since version 1.3.0, affine_grid behavior has changed for unit-size grids"
)
FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def near_identity(batch, seed=0):
    return torch.eye(3, dtype=torch.float64)[:2] + 0.3 * noise(batch, 2, 3, seed=seed)


def wide_grid(*shape, seed=0):
    """Places inside and outside."""
    return 1.2 * noise(*shape, 2, seed=seed)


def looped(x, grid, kernel, corners):
    """Eq. 3 as printed: the sum over all pixels n and m of U k k."""
    batch, channels, height, width = x.shape
    out = torch.zeros(batch, channels, *grid.shape[1:3], dtype=x.dtype)
    for b in range(batch):
        for i in range(grid.shape[1]):
            for j in range(grid.shape[2]):
                place = []
                for coordinate, side in zip(grid[b, i, j].tolist(), (width, height), strict=True):
                    unit = (coordinate + 1) / 2
                    place.append(unit * (side - 1) if corners else unit * side - 0.5)
                for n in range(height):
                    for m in range(width):
                        if kernel == "bilinear":
                            k = max(0, 1 - abs(place[0] - m)) * max(0, 1 - abs(place[1] - n))  # Eq. 5
                        else:
                            k = (math.floor(place[0] + 0.5) == m) * (math.floor(place[1] + 0.5) == n)  # Eq. 4
                        out[b, :, i, j] += x[b, :, n, m] * k
    return out


@few
@given(st.integers(1, 2), st.tuples(sides, sides), st.tuples(sides, sides), st.booleans(), st.sampled_from(KERNELS))
def test_the_sampler_is_the_equations_as_loops(batch, size, output, corners, kernel):
    x, grid = noise(batch, 2, *size), wide_grid(batch, *output, seed=1)
    actual = sample(x, grid, kernel, corners)
    torch.testing.assert_close(actual, looped(x, grid, kernel, corners), rtol=0, atol=1e-14)


@UNIT_SIZE
@few
@given(st.integers(1, 3), st.tuples(sides, sides), st.booleans())
def test_the_affine_grid_is_torchs_and_eq_1_as_loops(batch, output, corners):
    theta = near_identity(batch)
    actual = affine_grid(theta, output, corners)
    torch.testing.assert_close(actual, torchs_grid(theta, [batch, 1, *output], corners), rtol=0, atol=1e-15)
    for i in range(output[0]):
        for j in range(output[1]):
            place = []
            for index, side in ((j, output[1]), (i, output[0])):
                centre = 0 if side == 1 else 2 * index / (side - 1) - 1
                place.append(centre if corners else (2 * index + 1) / side - 1)
            source = theta @ torch.tensor([*place, 1], dtype=torch.float64)
            torch.testing.assert_close(actual[:, i, j], source, rtol=0, atol=1e-15)


@UNIT_SIZE
@few
@given(st.integers(1, 2), st.tuples(sides, sides), st.tuples(sides, sides), st.booleans())
def test_torch_agrees_also_in_its_gradients(batch, size, output, corners):
    x, theta = noise(batch, 3, *size).requires_grad_(), near_identity(batch).requires_grad_()
    ours, theirs = (f(x, theta, output, corners) for f in (spatial_transform, torch_nn))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)
    upstream = noise(*ours.shape, seed=2)
    for one, other in zip(*(torch.autograd.grad(y, (x, theta), upstream) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-13)


def test_at_whole_coordinates_the_gradient_is_the_right_hand_derivative_as_in_torch():
    x, step = noise(1, 2, 5, 5), 1e-6
    grid = torchs_grid(torch.eye(3, dtype=torch.float64)[None, :2], [1, 2, 5, 5], True).requires_grad_()
    upstream = noise(1, 2, 5, 5, seed=3)
    ours, theirs = (
        torch.autograd.grad(f(x, grid, align_corners=True), grid, upstream)[0] for f in (sample, grid_sample)
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)
    for axis in (0, 1):
        moved = grid.detach().clone()
        moved[..., axis] += step
        slope = ((sample(x, moved, align_corners=True) - x) * upstream).sum(1) / step
        torch.testing.assert_close(ours[..., axis], slope, rtol=0, atol=1e-6)


def test_a_flat_picture_has_no_gradient_for_a_place_inside():
    grid = (0.9 * torchs_grid(torch.eye(3, dtype=torch.float64)[None, :2], [1, 1, 4, 4], True)).requires_grad_()
    flat = torch.full((1, 1, 7, 7), 0.7, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(sample(flat, grid, align_corners=True).sum(), grid)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-15)


@CORNERS
@FORWARD_MODE
def test_gradients(corners):
    x, theta = noise(2, 2, 4, 5).requires_grad_(), near_identity(2, seed=4).requires_grad_()
    call = lambda x, theta: spatial_transform(x, theta, (3, 4), corners)  # noqa: E731
    assert torch.autograd.gradcheck(call, (x, theta), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(call, (x, theta))


@pytest.mark.parametrize(
    ("generate", "count"), [(attention_grid, 3), (projective_grid, 8), (thin_plate_spline_grid, 18)]
)
@FORWARD_MODE
def test_gradients_of_the_grids(generate, count):
    theta = (0.2 * noise(2, count)).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: generate(t, (3, 4), False), (theta,), check_forward_ad=True)


def test_the_integer_kernel_has_no_gradient_for_the_grid_and_copies_for_the_picture():
    x, grid = noise(1, 1, 4, 4).requires_grad_(), (0.9 * wide_grid(1, 3, 3).tanh()).requires_grad_()
    to_x, to_grid = torch.autograd.grad(sample(x, grid, "integer").sum(), (x, grid), allow_unused=True)
    assert to_grid is None or not to_grid.any()
    assert set(to_x.unique().tolist()) <= set(range(10))
    assert to_x.sum().item() == 9


def test_a_half_is_rounded_up_where_torch_rounds_to_even():
    x = torch.arange(4.0).view(1, 1, 1, 4) + 1
    places = torch.tensor([-0.5, 0.5, 1.5, 2.5, 3.5])
    grid = torch.stack([(2 * places + 1) / 4 - 1, torch.zeros(5)], 1)[None, None]
    assert sample(x, grid, "integer").flatten().tolist() == [1, 2, 3, 4, 0]
    assert grid_sample(x, grid, "nearest", align_corners=False).flatten().tolist() == [1, 1, 3, 3, 0]


@CORNERS
def test_the_attention_grid_scales_both_axes_alike_and_then_moves_x_and_y(corners):
    theta = noise(2, 3, seed=7)
    s, tx, ty = theta[:, :, None, None].unbind(1)
    x, y = torchs_grid(torch.eye(3, dtype=torch.float64)[None, :2], [1, 1, 3, 4], corners).unbind(3)
    expected = torch.stack([s * x + tx, s * y + ty], 3)
    torch.testing.assert_close(attention_grid(theta, (3, 4), corners), expected, rtol=0, atol=1e-15)


@CORNERS
def test_the_projective_grid_is_the_homography_as_loops(corners):
    theta = 0.2 * noise(2, 8, seed=5) + torch.tensor(TRANSFORMS["projective"].identity, dtype=torch.float64)
    matrix = torch.cat([theta, torch.ones(2, 1, dtype=torch.float64)], 1).view(2, 3, 3)
    places = torchs_grid(torch.eye(3, dtype=torch.float64)[None, :2], [1, 1, 4, 5], corners)[0]
    actual = projective_grid(theta, (4, 5), corners)
    for i in range(4):
        for j in range(5):
            u, v, w = (matrix @ torch.cat([places[i, j], torch.ones(1, dtype=torch.float64)])).unbind(1)
            torch.testing.assert_close(actual[:, i, j], torch.stack([u / w, v / w], 1), rtol=0, atol=1e-14)


@CORNERS
def test_the_spline_is_bookstein_s_as_a_system_solved_for_each_picture(corners):
    sources = noise(2, 32, seed=6)
    line = torch.linspace(-1, 1, 4, dtype=torch.float64)
    controls = torch.tensor([[x, y] for y in line for x in line], dtype=torch.float64)

    def u(p, q):
        r2 = float(((p - q) ** 2).sum())
        return r2 * math.log(r2) if r2 else 0.0

    system = torch.zeros(19, 19, dtype=torch.float64)
    for k in range(16):
        system[k, :16] = torch.tensor([u(controls[k], q) for q in controls], dtype=torch.float64)
        system[k, 16:] = system[16:, k] = torch.tensor([1, *controls[k]], dtype=torch.float64)
    places = torchs_grid(torch.eye(3, dtype=torch.float64)[None, :2], [1, 1, 3, 5], corners)[0]
    actual = thin_plate_spline_grid(sources, (3, 5), corners)
    for b in range(2):
        right = torch.cat([sources[b].view(16, 2), torch.zeros(3, 2, dtype=torch.float64)])
        weights = torch.linalg.solve(system, right)
        for i in range(3):
            for j in range(5):
                terms = torch.tensor([*(u(places[i, j], q) for q in controls), 1, *places[i, j]], dtype=torch.float64)
                torch.testing.assert_close(actual[b, i, j], terms @ weights, rtol=0, atol=1e-12)


@pytest.mark.parametrize("transform", list(TRANSFORMS))
@CORNERS
def test_the_module_starts_as_the_identity_and_learns_to_move(transform, corners):
    torch.manual_seed(0)
    x = noise(2, 1, 6, 5).float()
    module = SpatialTransformer(torch.nn.Conv2d(1, 2, 3), 24, transform, align_corners=corners)
    torch.testing.assert_close(module(x), x, rtol=0, atol=5e-6)  # float32, thirds among the controls
    torch.autograd.backward(module(x), torch.randn_like(x))
    assert module.regression.weight.grad.abs().max() > 0
    assert module.localisation.weight.grad.abs().max() == 0  # behind zero weights: from the second update on


def test_a_spline_first_used_in_inference_serves_training_too():
    theta = torch.zeros(1, 18, dtype=torch.float64)
    with torch.inference_mode():
        thin_plate_spline_grid(theta, (9, 7))
    thin_plate_spline_grid(theta.requires_grad_(), (9, 7)).sum().backward()
    assert theta.grad.abs().max() > 0


def test_the_module_reads_at_another_size():
    module = SpatialTransformer(torch.nn.Flatten(), 30, "attention", (3, 2), "integer")
    assert module(torch.ones(4, 1, 6, 5)).shape == (4, 1, 3, 2)


def test_a_single_pixel_of_output_lies_in_the_middle():
    x = noise(1, 1, 5, 5)
    for corners in (True, False):
        middle = spatial_transform(x, torch.eye(3, dtype=torch.float64)[None, :2], (1, 1), corners)
        torch.testing.assert_close(middle[0, 0, 0, 0], x[0, 0, 2, 2], rtol=0, atol=1e-15)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("far", [math.inf, -math.inf, 1e30, -1e30, 3.0])
def test_places_far_outside_are_zero_and_give_no_gradient(kernel, far):
    grid = torch.tensor([[[[far, 0.0], [0.0, far], [far, far]]]], requires_grad=True)
    y = sample(torch.ones(1, 2, 3, 3, requires_grad=True), grid, kernel)
    torch.testing.assert_close(y, torch.zeros(1, 2, 1, 3), rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(y.sum(), grid, allow_unused=True)
    assert gradient is None or not gradient.any()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_place_that_is_no_number_gives_none_and_spoils_no_other(kernel):
    grid = torch.zeros(1, 1, 3, 2)
    grid[0, 0, 0, 0] = grid[0, 0, 1, 1] = math.nan
    y = sample(torch.ones(1, 1, 3, 3), grid, kernel)
    assert y.isnan().flatten().tolist() == [True, True, False]


def test_a_pixel_outside_is_zero_whatever_stands_in_the_corner():
    x = torch.full((1, 1, 2, 2), math.inf)
    y = sample(x, torch.full((1, 1, 1, 2), 5.0))
    assert y.item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_computed_in_float32(dtype):
    x, grid = noise(1, 2, 40, 40).to(dtype), (0.7 * wide_grid(1, 9, 9)).to(dtype)
    y = sample(x, grid)
    assert y.dtype == dtype
    torch.testing.assert_close(y, sample(x.float(), grid.float()).to(dtype), rtol=0, atol=0)


def test_autocast_computes_in_float32():
    x, theta = noise(1, 1, 9, 9).float(), near_identity(1).float()
    plain = spatial_transform(x, theta, (5, 5))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(spatial_transform(x, theta, (5, 5)), plain, rtol=0, atol=0)
        torch.testing.assert_close(
            sample(x.bfloat16(), affine_grid(theta, (5, 5))), plain.bfloat16(), rtol=0, atol=2e-2
        )


def test_torch_compile_sees_no_break():
    x, theta = noise(1, 2, 5, 4), near_identity(1)
    whole = torch.compile(spatial_transform, fullgraph=True, backend="eager")
    torch.testing.assert_close(whole(x, theta, (3, 6)), spatial_transform(x, theta, (3, 6)), rtol=0, atol=1e-14)


def test_an_empty_batch_gives_an_empty_result_with_gradients():
    x, theta = torch.ones(0, 2, 4, 4, requires_grad=True), torch.ones(0, 2, 3, requires_grad=True)
    y = spatial_transform(x, theta, (3, 5))
    assert y.shape == (0, 2, 3, 5)
    assert [g.shape for g in torch.autograd.grad(y.sum(), (x, theta))] == [x.shape, theta.shape]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_transform_takes_an_empty_batch(transform):
    layer = SpatialTransformer(torch.nn.Flatten(), 2 * 4 * 4, transform, (3, 5))
    assert layer(torch.ones(0, 2, 4, 4)).shape == (0, 2, 3, 5)


def test_memory_order_changes_nothing():
    x, grid = noise(2, 3, 6, 5), wide_grid(2, 4, 4)
    expected = sample(x, grid)
    other = sample(x.to(memory_format=torch.channels_last), grid.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0))
    torch.testing.assert_close(other, expected, rtol=0, atol=0)
    torch.testing.assert_close(sample(x[:, :, ::2], grid), sample(x[:, :, ::2].contiguous(), grid), rtol=0, atol=0)


def test_a_picture_of_more_pixels_than_float32_counts_is_read_at_the_right_one():
    width = 1 << 23
    x = torch.arange(width, dtype=torch.float32).expand(1, 1, 3, -1)  # in the third row an index has 25 bits
    grid = torch.tensor([[[[2 * 5 / (width - 1) - 1, 1.0]]]])
    for kernel in KERNELS:
        assert round(sample(x, grid, kernel, True).item()) == 5


@pytest.mark.gpu
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_gpu_gives_what_the_cpu_gives(cuda, kernel):
    x, grid = noise(2, 3, 6, 5), wide_grid(2, 4, 4)
    torch.testing.assert_close(
        sample(x.to(cuda), grid.to(cuda), kernel).cpu(), sample(x, grid, kernel), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("shape", [(2, 3), (2, 2, 4, 4, 1), (1, 0, 4, 4), (1, 1, 0, 4)])
def test_shapes_that_are_no_batch_of_pictures_are_refused(shape):
    with pytest.raises(ValueError, match=r"need x \(N, C, H, W\), empty in N only"):
        sample(torch.ones(shape), torch.zeros(1, 2, 2, 2))


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 2, 2, 3), (2, 2, 2, 2), (1, 0, 2, 2)])
def test_grids_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=re.escape("need a grid (1, H', W', 2), as x (1, 1, 3, 3) has it")):
        sample(torch.ones(1, 1, 3, 3), torch.zeros(shape))


def test_dtypes_that_differ_or_are_whole_are_refused():
    with pytest.raises(TypeError, match="grid is torch.float64 and x torch.float32: convert one of them"):
        sample(torch.ones(1, 1, 3, 3), torch.zeros(1, 2, 2, 2).double())
    with pytest.raises(TypeError, match="must be floating, convert first: torch.int64"):
        sample(torch.ones(1, 1, 3, 3).long(), torch.zeros(1, 2, 2, 2))
    with pytest.raises(TypeError, match="theta must be floating, convert first: torch.int64"):
        affine_grid(torch.ones(1, 2, 3).long(), (2, 2))


def test_devices_that_differ_are_refused():
    with pytest.raises(ValueError, match="grid is on meta and x on cpu: move one of them"):
        sample(torch.ones(1, 1, 3, 3), torch.zeros(1, 2, 2, 2, device="meta"))


@pytest.mark.parametrize("size", [(0, 3), (3, -1)])
def test_an_output_without_pixels_is_refused(size):
    for generate, count in ((affine_grid, 6), (attention_grid, 3), (projective_grid, 8), (thin_plate_spline_grid, 32)):
        with pytest.raises(ValueError, match="need a size \\(H', W'\\) of at least 1 x 1"):
            generate(torch.zeros(1, count), size)


def test_other_counts_of_parameters_are_refused():
    for generate, count in ((affine_grid, 6), (attention_grid, 3), (projective_grid, 8)):
        with pytest.raises(ValueError, match=f"need {count} parameters for each picture"):
            generate(torch.zeros(1, count + 1), (2, 2))
    with pytest.raises(ValueError, match="a square of K control points"):
        thin_plate_spline_grid(torch.zeros(1, 30), (2, 2))


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="kernel must be one of bilinear, integer: cubic"):
        sample(torch.ones(1, 1, 3, 3), torch.zeros(1, 2, 2, 2), "cubic")
    with pytest.raises(ValueError, match="transform must be one of affine, .*: shear"):
        SpatialTransformer(torch.nn.Flatten(), 9, "shear")
    with pytest.raises(ValueError, match="kernel must be one of bilinear, integer: cubic"):
        SpatialTransformer(torch.nn.Flatten(), 9, kernel="cubic")


@pytest.mark.parametrize("numbers", ["identity", "translation", "rotation", "half_scale", "resize", "equation_7"])
def test_torchs_functions_meet_the_contract(numbers):
    assert check("spatial_transformer", numbers=numbers, spatial_transform=torch_nn)


def test_a_transform_of_another_size_breaks_the_contract():
    with pytest.raises(ContractError, match=re.escape("returned (2, 3, 4, 5), not a tensor (2, 3, 6, 7)")):
        TRANSFORM.check(lambda x, theta, size, corners: x)


def test_transposed_coordinates_fail_the_numbers():
    def swapped(x, theta, size, corners):
        return torch_nn(x, theta.flip(1), size, corners)

    with pytest.raises(AssertionError, match="spatial_transformer/translation"):
        check("spatial_transformer", numbers="translation", spatial_transform=swapped)
