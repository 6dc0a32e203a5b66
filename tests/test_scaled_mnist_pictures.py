"""Pictures of scaled MNIST: the places drawn are those that the layers read, and the kept network is a trained one."""

import pytest
import torch

from dmbench.datasets.mnist import read_mnist
from dmbench.experiments import _scaled_mnist_pictures as pictures
from dmbench.experiments._scaled_mnist import DAI, STRIDES, DigitNet, draw_scales, scale
from dmbench.experiments._scaled_mnist_training import accuracy
from dmbench.layers.deform_conv2d import deform_conv2d


class Drawn:
    """A context with files, as the report gives one."""

    device, seed = torch.device("cpu"), None

    def __init__(self, files):
        self.files = files


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("moved", [False, True])
def test_taps_are_the_places_that_the_layer_reads(layer, moved):
    generator = torch.Generator().manual_seed(layer)
    size = {1: 28, 2: 14, 3: 14}[layer]
    stride = STRIDES[layer]
    out = size // stride
    offsets = torch.randint(-2, 3, (18, out, out), generator=generator).double() if moved else None
    place = torch.tensor([out // 2, out // 2 - 1])
    x = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    padded = torch.nn.functional.pad(x, (0, 1, 0, 1)) if stride == 2 else x
    zero = torch.zeros(18, out, out, dtype=torch.float64)
    weight = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    given = (zero if offsets is None else offsets)[None]
    deform_conv2d(padded, given, weight, None, stride, 2 - stride)[0, 0, *place].backward()
    read = torch.zeros(size, size, dtype=torch.float64)
    for y, z in pictures.taps(layer, place[None], offsets)[0].long().tolist():
        if 0 <= y < size and 0 <= z < size:
            read[y, z] += 1
    assert torch.equal(x.grad[0, 0], read)


def test_three_plain_layers_reach_their_receptive_field_around_the_unit():
    reached = pictures.reached(torch.tensor([3, 2]), None)
    assert reached.shape == (729, 2)
    for axis, unit in ((0, 3), (1, 2)):
        # 3 + 2 * 2 + 2 * 2 = 11 pixels, of a unit that stands at pixel 4 p + 3.
        assert sorted(set(reached[:, axis].tolist())) == list(range(4 * unit + 3 - 5, 4 * unit + 3 + 6))


def test_without_offsets_a_deformable_network_reaches_what_a_plain_one_does():
    net = DigitNet(DAI).eval()
    offsets, scores = pictures.offsets_of(net, torch.rand(28, 28, generator=torch.Generator().manual_seed(0)))
    assert [None if o is None else tuple(o.shape) for o in offsets] == [None, (18, 14, 14), (18, 14, 14), (18, 7, 7)]
    assert scores.shape == (10,)
    place = torch.tensor([2, 4])
    assert torch.equal(pictures.reached(place, offsets), pictures.reached(place, None))


def test_a_network_is_kept_to_half_precision(tmp_path):
    net = DigitNet(DAI)
    pictures.keep(net, tmp_path / "folder" / "net.safetensors")

    again = pictures.trained_net(Drawn(lambda name: {name: tmp_path / "folder" / "net.safetensors"})).state_dict()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(again[name].float(), value.float(), rtol=1e-3, atol=1e-6)


@pytest.mark.data
def test_the_kept_network_is_a_trained_one(artifact):
    images, labels = read_mnist(artifact("mnist"), "test")
    images, labels = images[:500].float() / 255, labels[:500]
    net = pictures.trained_net(Drawn(artifact))
    assert accuracy(net, (images, labels)) > 93
    assert accuracy(net, (scale(images, *draw_scales(500, torch.Generator().manual_seed(0))), labels)) > 85


@pytest.mark.data
@pytest.mark.parametrize("draw", [pictures.one_layer, pictures.three_layers])
def test_each_picture_shows_every_digit_at_every_scale(draw, artifact):
    figure = draw(Drawn(artifact))
    assert len(figure.axes) == len(pictures.EXAMPLES) * len(pictures.ZOOMS)
    assert all("taken for a" in axes.get_xlabel() for axes in figure.axes)
