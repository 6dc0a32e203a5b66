"""fashion_mnist: what is known of its pictures, and errors."""

import pytest

from dmbench.datasets.fashion_mnist import MEAN, NAMES, STD, read_fashion_mnist


@pytest.mark.data
def test_each_part_has_as_many_pictures_of_each_class_as_published(artifact):
    files = artifact("fashion_mnist")
    for part, each in (("train", 6000), ("test", 1000)):
        images, labels = read_fashion_mnist(files, part)
        assert images.shape == (10 * each, 28, 28)
        assert labels.bincount().tolist() == [each] * len(NAMES)


@pytest.mark.data
def test_mean_and_deviation_are_those_of_the_training_pixels(artifact):
    pixels = read_fashion_mnist(artifact("fashion_mnist"), "train")[0].double() / 255
    assert abs(float(pixels.mean()) - MEAN) < 5e-5
    assert abs(float(pixels.std(correction=0)) - STD) < 5e-5


@pytest.mark.data
def test_the_first_labels_are_the_published_ones_in_the_published_order(artifact):
    labels = read_fashion_mnist(artifact("fashion_mnist"), "test")[1]
    # An ankle boot, a pullover and two trousers open the published test part.
    assert [NAMES[label] for label in labels[:4]] == ["ankle boot", "pullover", "trouser", "trouser"]


def test_a_missing_file_and_an_unknown_part_are_told():
    with pytest.raises(ValueError, match="needs train-images-idx3-ubyte.gz"):
        read_fashion_mnist({}, "train")
    with pytest.raises(ValueError, match="must be one of train, test: validation"):
        read_fashion_mnist({}, "validation")
