"""Pictures of pruning: what a training packs is what is drawn, and each figure shows it."""

import pytest
import torch
from matplotlib.figure import Figure
from safetensors.torch import save_file

from dmbench.experiments import _pruning_pictures as pictures
from dmbench.experiments._pruning_training import BINS, histogram, packed
from dmbench.harness.paths import checkout


class Drawn:
    """A context with files, as the report gives one."""

    device, seed = torch.device("cpu"), None

    def __init__(self, path):
        self.path = path

    def files(self, artifact):
        return {artifact: self.path}


def weights():
    generator = torch.Generator().manual_seed(0)
    shapes = {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)}
    return {layer: torch.randn(shape, generator=generator) for layer, shape in shapes.items()}


@pytest.fixture
def context(tmp_path):
    dense = weights()
    left = {layer: weight * (weight.abs() > 1.5) for layer, weight in dense.items()}
    path = tmp_path / "pruned.safetensors"
    save_file(packed(left, {layer: histogram(weight) for layer, weight in dense.items()}), path)
    return Drawn(path)


def test_a_file_gives_back_what_was_left_and_the_histogram_before(context):
    for layer, (weight, before) in pictures.read(context, "lenet300").items():
        dense = weights()[layer]
        torch.testing.assert_close(weight, dense * (dense.abs() > 1.5), rtol=1e-3, atol=1e-3)
        assert before[:BINS].sum() == dense.numel()
        assert before[BINS] == dense.abs().max()


def test_every_picture_is_drawn_and_the_bars_are_the_shares_kept(context):
    figure = pictures.densities(context, "lenet300")
    heights = [bar.get_height() for bar in figure.axes[0].containers[0]]
    left = pictures.read(context, "lenet300")
    assert heights == pytest.approx([100 * float((w != 0).double().mean()) for w, _ in left.values()])
    assert isinstance(pictures.histograms(context, "lenet300"), Figure)
    drawn = pictures.first_layer(context).axes[0].images[0].get_array()
    assert (torch.from_numpy(drawn.data.copy()).bool() == (left["fc1"][0] != 0)).all()


@pytest.mark.parametrize("net", pictures.RECIPES)
def test_the_kept_network_is_the_one_that_was_pruned_to_the_table(net):
    densities = pictures.RECIPES[net].densities
    found = pictures.unpacked(checkout() / "reference_results" / "weights" / f"pruned_{net}.safetensors", [*densities])
    shares = {layer: float((w != 0).double().mean()) for layer, (w, _) in found.items()}
    assert shares == pytest.approx(densities, abs=1e-3)


def test_a_file_of_another_network_is_refused(context):
    with pytest.raises(ValueError, match="holds no layer conv1: train the network anew"):
        pictures.read(context, "lenet5")
