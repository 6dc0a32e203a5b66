"""Scaled MNIST: Keras's transform by scipy, the demonstration's layer as loops, what learns, and a run that goes on."""

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform
from torch.nn.functional import conv2d, pad

from dmbench.experiments import _scaled_mnist_training as training
from dmbench.experiments._resnet101 import RES4, RES5, deformable_layers, features, parameters, pooling_offsets
from dmbench.experiments._scaled_mnist import DAI, PLAIN, RESAMPLED, ChannelOffsets, DigitNet, draw_scales, scale
from dmbench.experiments.deform_conv2d import OFFSET_LAYER
from dmbench.harness.errors import ContractError

few = settings(deadline=None, max_examples=20, derandomize=True)
TINY = training.Recipe(plain_updates=6, tuned_updates=5, decays=True, evaluate_every=2, batch=4)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def keras(image, zoom, shift):
    """Keras 2.0's random_transform: shift after zoom, about Keras's centre, order 0, borders repeated."""
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]]) @ np.diag([zoom[0], zoom[1], 1])
    there = np.array([[1, 0, 14.5], [0, 1, 14.5], [0, 0, 1]])
    back = np.array([[1, 0, -14.5], [0, 1, -14.5], [0, 0, 1]])
    matrix = there @ matrix @ back
    return affine_transform(image, matrix[:2, :2], matrix[:2, 2], order=0, mode="nearest")


def test_digits_are_scaled_as_keras_does():
    images = torch.rand(50, 28, 28, generator=generator())
    zoom, shift = draw_scales(50, generator(1))
    ours = scale(images, zoom, shift)
    for i in range(50):
        expected = torch.from_numpy(keras(images[i].numpy(), zoom[:, i].numpy(), shift[:, i].numpy()))
        assert torch.equal(ours[i], expected), i


def test_neither_zoom_nor_shift_changes_nothing():
    images = torch.rand(3, 28, 28, generator=generator())
    assert torch.equal(scale(images, torch.ones(2, 3).double(), torch.zeros(2, 3).double()), images)


def test_a_zoom_of_two_halves_the_digit():
    image = torch.zeros(1, 28, 28)
    image[:, 4:24, 10:18] = 1  # 20 high, 8 wide
    half = scale(image, torch.full((2, 1), 2.0).double(), torch.zeros(2, 1).double())[0]
    assert half.any(1).sum() == 10
    assert half.any(0).sum() == 4


def test_draws_fill_the_demonstrations_ranges():
    zoom, shift = draw_scales(4000, generator())
    assert zoom.min() >= 1
    assert zoom.max() <= 2.5
    assert shift.abs().max() <= 5.6
    for values, middle, width in ((zoom, 1.75, 1.5), (shift, 0.0, 11.2)):
        assert (values.mean(1) - middle).abs().max() < 4 * width / math.sqrt(12 * 4000)
        assert values.max() - values.min() > 0.99 * width


def as_loops(x, weight):
    """The demonstration's formula: floor and ceil, clipped to the map, offsets reshaped as its code does."""
    count, channels, height, width = x.shape
    offsets = conv2d(x, weight, padding=1).reshape(count * channels, height, width, 2)
    maps = x.reshape(count * channels, height, width)
    rows = []
    for m in range(len(maps)):
        for i in range(height):
            for j in range(width):
                y = (i + offsets[m, i, j, 0]).clamp(0, height - 1)
                z = (j + offsets[m, i, j, 1]).clamp(0, width - 1)
                (top, low), (left, right) = ((int(p.floor()), int(p.ceil())) for p in (y, z))
                upper = maps[m, top, left] + (maps[m, low, left] - maps[m, top, left]) * (y - top)
                lower = maps[m, top, right] + (maps[m, low, right] - maps[m, top, right]) * (y - top)
                rows.append(upper + (lower - upper) * (z - left))
    return torch.stack(rows).view(x.shape)


def layer(channels, spread, seed=0):
    built = ChannelOffsets(channels).double()
    torch.nn.init.normal_(built.branch.weight, std=spread, generator=generator(seed))
    return built


@few
@given(st.integers(1, 2), st.integers(1, 3), st.integers(2, 5), st.integers(2, 5), st.sampled_from([0.01, 0.3, 3.0]))
def test_the_demonstrations_layer_is_its_formula_as_loops(count, channels, height, width, spread):
    built = layer(channels, spread)
    x = torch.randn(count, channels, height, width, dtype=torch.float64, generator=generator(1))
    torch.testing.assert_close(built(x), as_loops(x, built.branch.weight), rtol=0, atol=1e-12)


def test_without_offsets_the_demonstrations_layer_changes_nothing():
    built = layer(2, 0.0)
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, generator=generator())
    torch.testing.assert_close(built(x), x, rtol=0, atol=1e-14)


def test_where_offsets_are_zero_the_demonstrations_own_formula_has_no_gradient_for_them():
    # Its floor and ceil are one pixel there: what starts at zero stays, and only batch normalisation learns.
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=generator())
    weight = torch.zeros(4, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    as_loops(x, weight).square().sum().backward()
    assert not weight.grad.any()


def test_gradients_of_the_demonstrations_layer_are_those_of_finite_differences():
    built = layer(2, 0.2)
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, generator=generator(), requires_grad=True)
    assert torch.autograd.gradcheck(built, x)


def test_the_network_pads_at_stride_two_as_tensorflow_does():
    net = DigitNet().double().eval()
    x = torch.randn(1, 32, 28, 28, dtype=torch.float64, generator=generator())
    seen = []
    net.convs[1].register_forward_hook(lambda module, args, output: seen.append((args[0], output)))
    net(torch.rand(1, 1, 28, 28, dtype=torch.float64, generator=generator()))
    given_, output = seen[0]
    assert given_.shape[-2:] == (29, 29)
    assert not given_[..., 28, :].any()
    assert not given_[..., :, 28].any()
    assert output.shape == (1, 64, 14, 14)
    expected = conv2d(pad(x, (0, 1, 0, 1)), net.convs[1].weight, net.convs[1].bias, stride=2)
    one = (x[0, :, 26:28, 26:28] * net.convs[1].weight[5, :, :2, :2]).sum()  # the last place sees two rows of the image
    torch.testing.assert_close(expected[0, 5, 13, 13], one + net.convs[1].bias[5], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [PLAIN, RESAMPLED, DAI])
def test_a_copy_begins_as_the_plain_network(kind):
    torch.manual_seed(0)
    plain, copy = DigitNet().double().eval(), DigitNet(kind).double().eval()
    copy.adapt(plain)
    if kind == RESAMPLED:
        for move in copy.moves[1:]:
            torch.nn.init.zeros_(move.branch.weight)
    x = torch.rand(3, 1, 28, 28, dtype=torch.float64, generator=generator())
    torch.testing.assert_close(copy(x), plain(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [PLAIN, RESAMPLED, DAI])
def test_only_new_layers_and_batch_normalisation_learn_in_a_copy(kind):
    copy = DigitNet(kind)
    copy.adapt(DigitNet())
    learning = {name for name, p in copy.named_parameters() if p.requires_grad}
    norms = {f"norms.{i}.{part}" for i in range(4) for part in ("weight", "bias")}
    new = {
        PLAIN: set(),
        RESAMPLED: {f"moves.{i}.branch.weight" for i in (1, 2, 3)},
        DAI: {f"convs.{i}.branch.{part}" for i in (1, 2, 3) for part in ("weight", "bias")},
    }[kind]
    assert learning == norms | new


class Watched:
    """A context that keeps what it is given, and breaks off after so many saves."""

    device, seed = torch.device("cpu"), 3

    def __init__(self, state=None, saves=1000):
        self.state, self.left, self.points, self.notes, self.progressed = state, saves, [], {}, []

    def load(self):
        return self.state

    def save(self, state):
        # A copy, as a file is.
        self.state = torch.load(self._file(state), weights_only=True)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def _file(self, state):
        stream = io.BytesIO()
        torch.save(state, stream)
        stream.seek(0)
        return stream

    def point(self, **values):
        self.points.append(values)

    def note(self, **settings):
        self.notes |= settings

    def progress(self, done, total):
        self.progressed.append(done / total)


@pytest.fixture
def digits(monkeypatch):
    """Twelve random digits to train on and eight to test on, in the place of MNIST."""

    def read(ctx, part):
        count = {"train": 12, "test": 8}[part]
        return torch.rand(count, 28, 28, generator=generator(count)), torch.arange(count) % 10

    monkeypatch.setattr(training, "read_digits", read)


def run(ctx, recipe=TINY):
    torch.manual_seed(ctx.seed)
    return training.trained(ctx, recipe, ChannelOffsets)


@pytest.mark.parametrize("saves", [1, 3, 4, 5])
def test_a_run_that_was_killed_goes_on_with_the_same_numbers(digits, saves):
    whole = run(Watched())
    broken = Watched(saves=saves)
    with pytest.raises(KeyboardInterrupt):
        run(broken)
    again = run(Watched(broken.state))
    for name, net in whole.items():
        for key, value in net.state_dict().items():
            assert torch.equal(again[name].state_dict()[key], value), (name, key)


def test_a_run_trains_all_four_and_fixes_what_it_should(digits):
    ctx = Watched()
    nets = run(ctx)
    plain = nets[PLAIN].state_dict()
    for name in (RESAMPLED, DAI, training.NORMS):
        tuned = nets[name].state_dict()
        for key in plain:
            same = torch.equal(tuned[key], plain[key])
            assert same == ("norms" not in key), (name, key)
    for i in (1, 2, 3):
        assert nets[DAI].convs[i].branch.weight.any()
    assert [point["update"] for point in ctx.points] == [2, 4, 5]
    assert ctx.progressed == [] or max(ctx.progressed) <= 1
    assert ctx.notes["tuned_updates"] == 5
    assert set(training.scores(ctx, nets)) == {
        f"{name}_{part}" for name in (PLAIN, RESAMPLED, DAI, training.NORMS) for part in ("regular", "scaled")
    }


def test_an_epoch_shows_each_digit_once_and_the_next_another_order():
    images, labels = torch.rand(12, 28, 28), torch.arange(12)
    epochs = [
        torch.cat([training.batch((images, labels), TINY, PLAIN, 0, 3 * epoch + step)[1] for step in range(3)])
        for epoch in (0, 1)
    ]
    assert [sorted(epoch.tolist()) for epoch in epochs] == [list(range(12))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    assert torch.equal(training.batch((images, labels), TINY, PLAIN, 0, 0)[0], images[epochs[0][:4]])


def test_digits_are_scaled_in_the_second_phase_only_by_draws_of_the_update():
    one = torch.rand(1, 28, 28, generator=generator())
    digits = one.expand(12, 28, 28), torch.arange(12)
    first, again, other = (training.batch(digits, TINY, training.TUNED, 0, update) for update in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0][0], first[0][1])
    assert torch.equal(training.batch(digits, TINY, PLAIN, 0, 1)[0], one.expand(4, 28, 28))


def test_accuracy_is_the_share_of_right_digits_with_the_running_statistics():
    class Rows(torch.nn.Module):
        def forward(self, x):
            assert not self.training
            return torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), 10).float()

    images = torch.zeros(250, 28, 28)
    images[:, 0, 0] = torch.arange(250) % 10
    labels = torch.arange(250) % 10
    labels[:25] = (labels[:25] + 1) % 10
    assert training.accuracy(Rows(), (images, labels)) == 90.0


def test_a_layer_that_changes_sizes_is_refused_by_contract():
    OFFSET_LAYER.check(ChannelOffsets)
    with pytest.raises(ContractError, match=r"returned \(1, 2, 2, 3\), not a tensor \(1, 2, 4, 5\)"):
        OFFSET_LAYER.check(lambda channels: torch.nn.Conv2d(channels, channels, 3))


def test_resnet_101_has_the_known_count_and_sizes():
    with torch.device("meta"):
        net = features()
        # torchvision's resnet101 has 44,549,160 with its classifier's 2,049,000.
        assert parameters(net) - parameters(net.reduced) == 44_549_160 - 2_049_000
        assert net(torch.empty(1, 3, 65, 97)).shape == (1, 1024, 5, 7)
    assert [m.dilation for m in net.modules() if isinstance(m, torch.nn.Conv2d)].count((2, 2)) == 3


def test_deformable_layers_are_those_named_and_their_branches_are_all_that_is_added():
    with torch.device("meta"):
        plain, six = features(), features(RES5 + RES4)
        assert deformable_layers(plain) == 0
        assert [name for name, block in six.named_children() if deformable_layers(block)] == [*RES4, *RES5]
        # 3 x 3, from the layer's own channels to 18, with bias.
        assert parameters(six) - parameters(plain) == sum(9 * c * 18 + 18 for c in (256, 256, 256, 512, 512, 512))
        assert parameters(pooling_offsets()) == 1024 * 2 * 49 * 21 + 2 * 49 * 21
