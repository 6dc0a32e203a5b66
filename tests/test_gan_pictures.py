"""The figures of GAN and DCGAN: what is drawn, of which digits, and what files of another network say."""

import pytest
import torch
from safetensors.torch import save_file

from dmbench.experiments import _dcgan_pictures as dcgan
from dmbench.experiments import _gan_pictures as gan
from dmbench.experiments import _generated_digits as generated
from dmbench.experiments._digits_training import Digits
from dmbench.experiments._gan_scores import Flat
from dmbench.harness.report_pictures import Drawing
from dmbench.models.dcgan import DCGenerator
from dmbench.models.gan import Generator


def shown(axes):
    return torch.tensor(axes.images[0].get_array().tolist())


@pytest.fixture
def drawing(tmp_path, monkeypatch):
    """Weights of untrained generators, and a hundred digits of noise."""
    torch.manual_seed(0)
    digits = torch.rand(100, 1, 28, 28)
    flat = Flat(digits.flatten(1), digits[:20].flatten(1), digits[20:40].flatten(1))
    for module in (gan, dcgan):
        monkeypatch.setattr(module, "flat_digits", lambda ctx: flat)
    monkeypatch.setattr(dcgan, "read_digits", lambda ctx, part: Digits(digits, torch.arange(100) % 10))
    monkeypatch.setattr(dcgan, "LOOKED_AT", 200)
    found = {}
    for name, net in (
        ("gan_mnist", Generator(**gan.SHORT_SIZES)),
        ("dcgan_mnist", DCGenerator(100, **dcgan.SMALL_SIZES)),
    ):
        path = tmp_path / f"{name}.safetensors"
        save_file({k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}, path)
        found[name] = {path.name: path}
    return Drawing("gan", found | {"mnist": {}})


def test_below_each_digit_stands_the_nearest_training_digit():
    training = torch.rand(30, 784, generator=torch.Generator().manual_seed(0))
    digits = training[[4, 7, 2, 9]] + 0.01
    figure = generated.beside_neighbours(digits, training, columns=2)
    panels = figure.axes
    for n, place in enumerate((4, 7, 2, 9)):
        row, column = divmod(n, 2)
        above, below = panels[4 * row + column], panels[4 * row + 2 + column]
        torch.testing.assert_close(shown(above).flatten(), digits[n], rtol=0, atol=1e-6)
        torch.testing.assert_close(shown(below).flatten(), training[place], rtol=0, atol=1e-6)


@pytest.mark.parametrize("module", [gan, dcgan])
def test_digits_are_drawn_with_their_neighbours(drawing, module):
    panels = module.digits(drawing).axes
    assert len(panels) == 60
    assert [panels[0].get_ylabel(), panels[10].get_ylabel()] == ["generated", "nearest"]


def test_lines_begin_and_end_at_digits_of_their_own(drawing):
    panels = dcgan.lines(drawing).axes
    assert len(panels) == 6 * dcgan.STEPS
    row = [shown(axes) for axes in panels[: dcgan.STEPS]]
    steps = torch.stack([(a - b).abs().mean() for a, b in zip(row[1:], row[:-1], strict=True)])
    assert float(steps.max()) < float((row[0] - row[-1]).abs().mean())


def test_arithmetic_is_of_the_noise_of_what_a_neighbour_says(drawing, monkeypatch):
    monkeypatch.setattr(dcgan, "CONCEPTS", ((0, 0),))  # bold - thin + thin is bold
    # Every training digit of the fixture is noise: say that all are a zero.
    monkeypatch.setattr(
        dcgan, "read_digits", lambda ctx, part: Digits(torch.zeros(100, 1, 28, 28), torch.zeros(100).long())
    )
    panels = dcgan.arithmetic(drawing).axes
    assert [axes.get_title() for axes in panels[:4]] == ["bold a", "- thin a", "+ thin b", "="]
    torch.testing.assert_close(shown(panels[3]), shown(panels[0]), rtol=0, atol=1e-5)
    assert float(shown(panels[0]).sum()) > float(shown(panels[1]).sum())


def test_rings_are_drawn_at_their_moments(drawing, monkeypatch):
    monkeypatch.setattr(gan, "MOMENTS", (0, 2, 3))
    panels = gan.rings(drawing, "minimax").axes
    assert [axes.get_title().split("\n")[0] for axes in panels] == ["0 updates", "2 updates", "3 updates"]
    assert all(len(axes.collections[0].get_offsets()) == 2500 for axes in panels)


def test_the_chosen_width_is_the_best_of_its_line(drawing, monkeypatch):
    monkeypatch.setattr(gan, "centroids", lambda points, count, rounds: points[:10])
    (axes,) = gan.windows(drawing).axes
    for line, dot in zip(axes.lines[::2], axes.lines[1::2], strict=True):
        best = max(range(10), key=lambda k: line.get_ydata()[k])
        assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (line.get_xdata()[best], line.get_ydata()[best])


def test_weights_of_another_network_are_refused(drawing, tmp_path):
    (path,) = drawing.found["dcgan_mnist"].values()
    with pytest.raises(ValueError, match="holds weights of another network"):
        generated.load_generator(Generator(**gan.SHORT_SIZES), path)
