"""Figures of the neural Turing machine: all are drawn from any weights, and show what the machine did."""

import pytest
import torch
from safetensors.torch import save_file

from dmbench.experiments import _ntm_pictures
from dmbench.experiments._ntm_pictures import draw_attention, run
from dmbench.experiments.ntm import longer
from dmbench.models.ntm import NTM


class Ctx:
    """A context whose one artifact is an untrained machine."""

    def __init__(self, folder):
        torch.manual_seed(0)
        self.path = folder / "net.safetensors"
        save_file(NTM(9, 8).state_dict(), self.path)

    def files(self, artifact):
        assert artifact == "ntm_copy"
        return {self.path.name: self.path}


@pytest.mark.parametrize("name", ["attention", "memory"])
def test_each_figure_is_drawn(name, tmp_path):
    figure = getattr(_ntm_pictures, name)(Ctx(tmp_path))
    figure.savefig(tmp_path / "figure.png", dpi=20)
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_copies_of_all_lengths_are_drawn_with_their_wrong_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(_ntm_pictures, "LENGTHS", (2, 3))
    figure = _ntm_pictures.generalisation(Ctx(tmp_path))
    texts = [axes.get_xlabel() for sub in figure.subfigs for axes in sub.axes]
    net = _ntm_pictures._net(Ctx(tmp_path).files("ntm_copy"))
    for length in (2, 3):
        batch = longer(length, 1)
        wrong = int(((run(net, batch)[1] > 0.5) != (batch.targets[:, 0] > 0.5))[-length:].sum())
        assert f"{wrong} of {8 * length} bits wrong" in texts


def test_attention_shows_the_weightings_of_each_time_step(tmp_path):
    net = _ntm_pictures._net(Ctx(tmp_path).files("ntm_copy"))
    states, outputs = run(net, longer(3, 1))
    assert len(states) == 7
    assert outputs.shape == (7, 8)
    drawn = draw_attention(net, 3).axes[3].images[0].get_array()
    w = torch.stack([state.w[0, 1] for state in states]).T
    top = drawn.shape[0]
    assert torch.as_tensor(drawn.data).float().shape == (top, 7)
    assert any(torch.allclose(torch.as_tensor(drawn.data), w[start : start + top]) for start in range(129 - top))


def test_show_writes_its_picture(tmp_path, monkeypatch):
    class Store:
        @staticmethod
        def from_environment():
            return Ctx(tmp_path)

    monkeypatch.setattr(_ntm_pictures, "Store", Store)
    (path,) = _ntm_pictures.show(tmp_path / "new", "2")
    assert path.exists()
    with pytest.raises(ValueError, match="need length of at least 1: 0"):
        _ntm_pictures.show(tmp_path, "0")
    with pytest.raises(ValueError, match="at most 128 vectors"):
        _ntm_pictures.show(tmp_path, "129")
