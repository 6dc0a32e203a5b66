"""Stacked digits: each channel is the chosen digit, and the class is that of all three; errors."""

import pytest
import torch

from dmbench.datasets.stacked_mnist import draw, stack

IMAGES = torch.arange(5 * 784, dtype=torch.int32).view(5, 28, 28)
LABELS = torch.tensor([7, 0, 3, 9, 1])


def test_channels_are_the_chosen_digits_and_the_class_counts_them():
    images, classes = stack(IMAGES, LABELS, torch.tensor([[0, 1, 2], [3, 3, 4]]))
    assert images.dtype == IMAGES.dtype
    for n, row in enumerate([[0, 1, 2], [3, 3, 4]]):
        for channel, digit in enumerate(row):
            torch.testing.assert_close(images[n, channel], IMAGES[digit], rtol=0, atol=0)
    assert classes.tolist() == [703, 991]


def test_drawn_digits_are_independent_and_the_seed_fixes_them():
    images, classes = draw(IMAGES, LABELS, 2000, torch.Generator().manual_seed(0))
    assert images.shape == (2000, 3, 28, 28)
    assert len(classes.unique()) == 125
    again, _ = draw(IMAGES, LABELS, 2000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(images, again, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stack(IMAGES, LABELS, torch.tensor([[0, 1]])), r"three digits an image, \(N, 3\): \(1, 2\)"),
        (lambda: stack(IMAGES, LABELS[:2], torch.tensor([[0, 1, 2]])), "a label of each"),
        (lambda: stack(IMAGES, LABELS, torch.tensor([[0, 1, 5]])), "from 0 to 4: 0 to 5"),
        (lambda: draw(IMAGES, LABELS, 0), "at least one image to draw"),
        (lambda: draw(IMAGES[:0], LABELS[:0], 2), "a digit to draw from: 2 and 0"),
    ],
)
def test_what_cannot_be_stacked_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
