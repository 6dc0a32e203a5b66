"""A small convolutional network for generated scenes of 32 x 32 pixels, in the place of one trained on ImageNet.

Weights are drawn as He et al. (2015), arXiv:1502.01852, draw them: torch's default makes features of scenes that are
mostly white so small that little is learned from them at first.
"""

from torch import nn

from dmbench.init.he import he_normal_

FEATURES = 128


def scene_cnn(features: int = FEATURES) -> nn.Sequential:
    """Build the network: (N, 3, 32, 32) to (N, features), two convolutions of stride 2 and a layer, all with ReLU."""
    convolutions = nn.Conv2d(3, 16, 4, 2, 1), nn.Conv2d(16, 32, 4, 2, 1)
    last = nn.Linear(32 * 8 * 8, features)
    for layer in (*convolutions, last):
        he_normal_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    first, second = convolutions
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), last, nn.ReLU())
