"""Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, in MNIST's format and sizes.

Source: Xiao, Rasul, Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747.

Shapes: N pictures; images (N, 28, 28), uint8, 0 background to 255; labels (N), int64, 0 to 9.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from dmbench.datasets.mnist import read_mnist

NAMES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
# Of the training pixels / 255, over all of them.
MEAN, STD = 0.2860, 0.3530


def read_fashion_mnist(files: Mapping[str, Path], part: str) -> tuple[Tensor, Tensor]:
    """Read the images and labels of one part.

    Args:
        files: the four published files (`...train-images-idx3-ubyte.gz` and so on), by any name that ends so.
        part: "train" or "test".

    Raises:
        ValueError: an unknown part, a file that is missing, damaged or of another format, or other counts or sizes.
    """
    return read_mnist(files, part)
