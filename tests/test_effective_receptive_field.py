"""Receptive fields: which pixels matter, found one by one; closed forms; random weights; limits; errors."""

import math
from functools import partial

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from dmbench import check
from dmbench.experiments.effective_receptive_field import INPUT_GRADIENT, RECEPTIVE_FIELD, fields
from dmbench.harness.errors import ContractError
from dmbench.layers.effective_receptive_field import (
    THRESHOLD,
    Field,
    Window,
    deviation,
    effective_dilation,
    effective_receptive_field,
    input_gradient,
    receptive_field,
    size,
    windows_of,
)

few = settings(deadline=None, max_examples=25, derandomize=True)
layers = st.lists(
    st.builds(Window, st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3)),
    min_size=1,
    max_size=3,
)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


def seen_by(windows, unit):
    """Which places of an endless line one unit of the last layer sees, layer by layer backwards."""
    places = {unit}
    for w in reversed(windows):
        places = {w.stride * place - w.padding + w.dilation * tap for place in places for tap in range(w.kernel)}
    return places


@few
@given(layers)
def test_the_field_spans_the_places_that_a_unit_sees(windows):
    first, second = seen_by(windows, 0), seen_by(windows, 1)
    field = receptive_field(windows)
    assert field == Field(max(first) - min(first) + 1, min(second) - min(first), -min(first))


def random_net(windows, channels=2):
    torch.manual_seed(len(windows))
    convs = [
        nn.Conv2d(1 if i == 0 else channels, channels, w.kernel, w.stride, w.padding, w.dilation)
        for i, w in enumerate(windows)
    ]
    return nn.Sequential(*[layer for conv in convs for layer in (conv, nn.Tanh())]).double()


@few
@given(layers)
def test_the_gradient_is_what_moving_each_pixel_does(windows):
    net, side = random_net(windows), min(receptive_field(windows).size + 2, 12)
    x = noise(1, 1, side, side)
    try:
        y = net(x)
    except RuntimeError:  # the field is larger than the picture
        assume(False)
    i, j = y.shape[2] // 2, y.shape[3] // 2
    found, step = input_gradient(net, x), 1e-5
    for row in range(0, side, 3):
        for column in range(side):
            moved = torch.zeros_like(x)
            moved[0, 0, row, column] = step
            both = [net(x + sign * moved)[0, :, i, j].sum() for sign in (1, -1)]
            slope = (both[0] - both[1]) / (2 * step)
            torch.testing.assert_close(found[0, 0, row, column], slope, rtol=0, atol=1e-9)


def test_the_field_is_the_mean_of_absolute_gradients_each_run_counting_alike():
    nets = [nn.Conv2d(2, 3, 3, bias=False).double() for _ in range(3)]
    with torch.no_grad():
        nets[1].weight *= 1000
    x = [noise(2, 2, 3, 3, seed=seed) for seed in range(3)]
    builds, draws = iter(nets), iter(x)
    found = effective_receptive_field(lambda: next(builds), lambda: next(draws), 3)
    expected = torch.zeros(3, 3, dtype=torch.float64)
    for net in nets:
        by_channel = net.weight.detach().sum(0).abs().mean(0)  # the gradient of a linear net is its weights'
        expected += by_channel / by_channel.sum() / 3
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)


def ones(*windows):
    net = nn.Sequential(*[nn.Conv2d(1, 1, w.kernel, w.stride, 0, w.dilation, bias=False) for w in windows]).double()
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    return net


def field_of_ones(*windows):
    side = receptive_field(windows).size
    return effective_receptive_field(lambda: ones(*windows), lambda: torch.zeros(1, 1, side, side).double(), 1)


def test_three_layers_of_ones_give_the_trinomial_coefficients():
    row = torch.tensor([1, 3, 6, 7, 6, 3, 1], dtype=torch.float64) / 27
    torch.testing.assert_close(field_of_ones(*[Window(3)] * 3), torch.outer(row, row), rtol=0, atol=1e-16)


@few
@given(
    st.lists(
        st.builds(Window, st.integers(1, 4), st.integers(1, 2), st.just(0), st.integers(1, 3)), min_size=1, max_size=4
    )
)
def test_of_ones_the_variances_of_the_layers_add_by_the_square_of_their_step(windows):
    variance, step = 0.0, 1
    for w in windows:
        variance += (w.dilation * step) ** 2 * (w.kernel**2 - 1) / 12
        step *= w.stride
    assert deviation(field_of_ones(*windows)) == pytest.approx(math.sqrt(variance), rel=0, abs=1e-7)


def test_rows_and_columns_both_enter_the_deviation():
    field = torch.zeros(5, 5, dtype=torch.float64)
    field[0, 2] = field[4, 2] = 1  # variance 4 along rows, none along columns
    assert deviation(field) == pytest.approx(math.sqrt(2))
    assert deviation(field.T) == pytest.approx(math.sqrt(2))


def test_the_variance_of_random_weights_has_the_shape_of_the_field_of_ones():
    torch.manual_seed(0)
    total = torch.zeros(9, 9, dtype=torch.float64)
    for _ in range(400):
        chain = [nn.Conv2d(1 if i == 0 else 4, 4, 3, bias=False) for i in range(4)]
        net = nn.Sequential(*chain).double()
        for parameter in net.parameters():
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        total += input_gradient(net, torch.zeros(1, 1, 9, 9).double())[0, 0].square()
    expected = field_of_ones(*[Window(3)] * 4)
    assert (total / total.sum() - expected).abs().max() < 0.15 * expected.max()  # 400 draws: some 5 % of each
    assert deviation(total) == pytest.approx(deviation(expected), rel=0.03)


def test_the_size_counts_pixels_above_the_threshold_of_the_maximum():
    field = torch.zeros(9, 9)
    field[:4, :4] = 0.0456
    field[4, :9] = 0.0454
    field[0, 0] = 1.0
    assert size(field) == 4
    assert size(field * 1e-20) == 4
    assert size(field, 0.5) == 1
    assert pytest.approx(0.0455) == THRESHOLD


def test_a_wide_gaussian_has_the_size_of_its_circle():
    place = torch.arange(-60, 61, dtype=torch.float64) / 10
    field = torch.exp(-(place[:, None].square() + place.square()) / 2)
    expected = 10 * math.sqrt(math.pi * 2 * math.log(1 / THRESHOLD))
    assert size(field) == pytest.approx(expected, rel=0.01)


def test_the_centre_is_found_in_a_padded_net_and_every_channel_of_the_output_counts():
    net = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    with torch.no_grad():
        net.weight[0] = 1
        net.weight[1] = 2
    expected = torch.zeros(1, 1, 6, 7)
    expected[0, 0, 2:5, 2:5] = 3
    torch.testing.assert_close(input_gradient(net, torch.zeros(1, 1, 6, 7)), expected, rtol=0, atol=0)


def test_it_works_without_gradients_around_it_and_leaves_the_net_alone():
    net, x = nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 3, 3)
    with torch.no_grad():
        input_gradient(net, x)
    assert net.weight.grad is None
    assert not x.requires_grad


def test_a_relu_that_is_shut_gives_a_field_of_zeros_which_has_no_size():
    shut = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    nn.init.constant_(shut[0].bias, -100.0)
    x = torch.zeros(1, 1, 3, 3)
    field = effective_receptive_field(lambda: shut, lambda: x, 2)
    assert not field.any()
    with pytest.raises(ValueError, match="a field of zeros has no size"):
        size(field)
    with pytest.raises(ValueError, match="a field of zeros has no deviation"):
        deviation(field)
    nets = iter([shut, ones(Window(3)).float(), shut])
    torch.testing.assert_close(effective_receptive_field(lambda: next(nets), lambda: x, 3), torch.full((3, 3), 1 / 9))


def test_the_windows_of_a_chain_are_read_from_its_layers():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 5, 2, 1, 3), nn.BatchNorm2d(2), nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2))
    )
    assert list(windows_of(net)) == [Window(5, 2, 1, 3), Window(3, 2, 1), Window(2, 2)]


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(1, 1, (3, 5)), nn.MaxPool2d(2, (1, 2)), nn.Conv2d(1, 1, 3, padding="same")]
)
def test_layers_that_differ_along_rows_and_columns_are_refused(layer):
    with pytest.raises(ValueError, match="need the same numbers along rows and columns"):
        list(windows_of(layer))


def test_what_is_no_chain_is_refused():
    with pytest.raises(ValueError, match="not a chain: Linear; give the windows of its longest path"):
        list(windows_of(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Linear(3, 3))))


@pytest.mark.parametrize("numbers", [(0,), (3, 0), (3, 1, -1), (3, 1, 0, 0)])
def test_windows_of_impossible_numbers_are_refused(numbers):
    with pytest.raises(
        ValueError, match="need kernel, stride and dilation of at least 1, padding of at least 0: Window"
    ):
        Window(*numbers)


def test_nets_and_runs_that_do_not_fit_are_refused():
    x = torch.zeros(1, 1, 3, 3)
    with pytest.raises(ValueError, match=r"need a net that returns \(N, C, H, W\), not empty: \(1, 9\)"):
        input_gradient(nn.Flatten(), x)
    with pytest.raises(ValueError, match="need at least one run: 0"):
        effective_receptive_field(nn.Identity, lambda: x, 0)
    with pytest.raises(ValueError, match="the gradient is not finite"):
        effective_receptive_field(lambda: lambda x: x * math.nan, lambda: x)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_infinity_give_no_number(bad):
    with pytest.raises(ValueError, match="the input is not finite"):
        effective_receptive_field(nn.ReLU, lambda: torch.full((1, 1, 3, 3), bad), 2)
    for measure, name in ((size, "size"), (deviation, "deviation")):
        with pytest.raises(ValueError, match=f"a field that is not finite has no {name}"):
            measure(torch.full((3, 3), bad))


def test_the_effective_dilation_is_the_mean_distance_of_twelve_pairs():
    offset = noise(2, 18, 3, 2)
    found = effective_dilation(offset, dilation=2)
    for n in range(2):
        for i in range(3):
            for j in range(2):
                place = [
                    (
                        2 * (tap // 3) + offset[n, 2 * tap, i, j].item(),
                        2 * (tap % 3) + offset[n, 2 * tap + 1, i, j].item(),
                    )
                    for tap in range(9)
                ]
                pairs = [(t, t + 1) for t in range(9) if t % 3 < 2] + [(t, t + 3) for t in range(6)]
                mean = sum(math.dist(place[a], place[b]) for a, b in pairs) / 12
                assert found[n, i, j].item() == pytest.approx(mean, abs=1e-14)
    assert effective_dilation(torch.zeros(1, 12, 1, 1), (2, 3), 3).item() == 3


@pytest.mark.parametrize(("shape", "kernel"), [((1, 9, 2, 2), (3, 3)), ((18, 2, 2), (3, 3)), ((1, 2, 2, 2), (1, 1))])
def test_offsets_of_another_count_of_taps_are_refused(shape, kernel):
    with pytest.raises(ValueError, match="need offset .N, .* of two taps or more"):
        effective_dilation(torch.zeros(shape), kernel)


def test_peers_measure_the_same_and_other_things_are_refused():
    for peer in ("torch_func", "torch_autograd"):
        place = f"dmbench.peers.effective_receptive_field:{peer}"
        assert check("effective_receptive_field", numbers="deviation_*", input_gradient=place)
    with pytest.raises(ContractError, match="returned"):
        INPUT_GRADIENT.check(lambda net, x: net(x))
    with pytest.raises(ContractError, match="not three whole numbers"):
        RECEPTIVE_FIELD.check(lambda layers: (1.5, 2, 3))


def test_the_picture_shows_two_rows_of_four_fields():
    class Ours:
        device = torch.device("cpu")
        subject = partial(lambda self, name: input_gradient, None)

    figure = fields(Ours())
    assert [axes.get_xlabel().split(":")[0] for axes in figure.axes] == ["ones"] * 4 + ["random, ReLU"] * 4
    for axes, side in zip(figure.axes, (11, 21, 41, 81) * 2, strict=True):
        assert axes.images[0].get_array().shape == (side, side)
