"""The figures of adversarial examples: what is drawn, of which digits, and what the titles say."""

import pytest
import torch

from dmbench.experiments import _adversarial_training_pictures as pictures
from dmbench.experiments._digits_training import Digits
from dmbench.harness.report_pictures import Drawing


@pytest.fixture
def drawing(monkeypatch):
    """Digits of one lit row each, so that a linear classifier learns them at once."""
    images = torch.zeros(40, 1, 28, 28)
    labels = torch.arange(40) % 10
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 2 * label + 3] = 1
    monkeypatch.setattr(pictures, "read_digits", lambda ctx, part: Digits(images, labels))
    monkeypatch.setattr(pictures, "UPDATES", 60)
    return Drawing("adversarial_training", {})


def shown(axes):
    return torch.tensor(axes.images[0].get_array().tolist())


def test_under_each_digit_stand_its_step_and_their_sum(drawing):
    figure = pictures.attacked_digits(drawing, 0.1)
    panels = figure.axes
    assert len(panels) == 3 * pictures.SHOWN
    for column in range(pictures.SHOWN):
        digit, step, moved = (shown(panels[row * pictures.SHOWN + column]) for row in range(3))
        assert panels[column].get_title().startswith(f"{column}, ")
        assert float(step.abs().max()) == pytest.approx(0.1)
        torch.testing.assert_close(digit + step, moved, rtol=0, atol=1e-6)
        assert float(digit[2 * column + 3].mean()) == 1
    assert [panels[row * pictures.SHOWN].get_ylabel() for row in range(3)] == [
        "test digit",
        "0.1 x sign of gradient",
        "their sum",
    ]


def test_threes_and_sevens_are_drawn_before_and_after_with_the_weights_and_the_errors(drawing):
    figure = pictures.threes_against_sevens(drawing)
    above, below = figure.axes[:6], figure.axes[6:]
    assert [axes.get_title() for axes in above[1:5]] == ["taken for a 3"] * 2 + ["taken for a 7"] * 2
    torch.testing.assert_close(shown(above[0]).sign(), shown(below[0]), rtol=0, atol=0)
    for before, after in zip(above[1:5], below[1:5], strict=True):
        moved = (shown(after) - shown(before)).abs()
        assert float(moved.max()) == pytest.approx(0.25)
    assert [axes.texts[0].get_text().split("\n")[1] for axes in (above[5], below[5])] == [
        "of test digits",
        "of attacked",
    ]


def test_show_refuses_a_size_that_is_no_number(tmp_path):
    with pytest.raises(ValueError, match="could not convert string to float: 'far'"):
        pictures.show(tmp_path, eps="far")
