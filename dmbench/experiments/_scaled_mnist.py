"""Scaled MNIST: a public demonstration's digits, its network, and the layer that it calls deformable convolution.

Source: felixlaumon/deform-conv on GitHub (2017; README.md and scripts/scaled_mnist.py), a demonstration for Keras 2.0
that is not by the authors of arXiv:1703.06211. Read in copies: kastnerkyle/deform-conv at abe6cd6e, and
deform_conv/cnn.py and deform_conv/mnist.py in HC-2016/deform-conv and edwin-19/deform-conv.

Shapes: N digits, C channels, H, W size of a map; images are (N, 28, 28) or (N, 1, 28, 28), float32, in [0, 1].
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, pad, relu

from dmbench.layers.deform_conv2d import DeformConv2d

LARGEST_ZOOM = 2.5  # a digit is made up to so many times smaller, along each axis by its own draw
LARGEST_SHIFT = 0.2 * 28  # pixels of the original digit
CENTRE = 28 / 2 + 0.5  # Keras's, one pixel past the middle of pixels 0 to 27
CHANNELS, STRIDES = (1, 32, 64, 128, 128), (1, 2, 1, 2)
PLAIN, RESAMPLED, DAI = "plain", "resampled", "dai"


def draw_scales(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw zooms and shifts from the ranges that the demonstration gives Keras, each (2, N), float64."""
    uniform = torch.rand(2, 2, count, generator=generator, dtype=torch.float64)
    return 1 + uniform[0] * (LARGEST_ZOOM - 1), (2 * uniform[1] - 1) * LARGEST_SHIFT


def scale(images: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """Shrink and move digits by the nearest pixel, with borders repeated, as Keras 2.0 does.

    The pixel at p takes the value at zoom * (p - 14.5) + 14.5 + shift, rounded and clamped into the image.

    Args:
        images: (N, 28, 28).
        zoom, shift: (2, N), of rows and of columns; zoom above 1 makes a digit smaller; shift in pixels.
    """
    places = torch.arange(images.shape[-1], dtype=torch.float64)
    sources = zoom[..., None] * (places - CENTRE) + shift[..., None] + CENTRE
    rows, columns = (sources + 0.5).floor().clamp(0, images.shape[-1] - 1).long().to(images.device)
    digits = torch.arange(len(images), device=images.device)
    return images[digits[:, None, None], rows[:, :, None], columns[:, None, :]]


class ChannelOffsets(nn.Module):
    """The demonstration's ConvOffset2D: each place of each channel is read elsewhere, before an ordinary convolution.

    Differs from the paper: 1. There is an offset for a place and channel of the input, where Dai et al. have one for a
    place of the output and a tap: all taps that read a place read it moved alike. 2. Outside the map its border is
    repeated, not zero. 3. dy and dx of a place are neighbours in the branch's output: its channels 2c and 2c + 1, 2 H W
    values in all, are read in order as the H x W pairs of channel c, so that a pair was computed at another place than
    it moves. This looks like a slip of the demonstration, and is kept. 4. No bias; weights start from N(0, 0.01 ** 2).

    Shapes: (N, C, H, W) to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False)
        nn.init.normal_(self.branch.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        offset = self.branch(x).contiguous().view(count * channels, height, width, 2)
        rows = torch.arange(height, dtype=x.dtype, device=x.device)[:, None] + offset[..., 0]
        columns = torch.arange(width, dtype=x.dtype, device=x.device) + offset[..., 1]
        grid = torch.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], -1)
        maps = x.contiguous().view(count * channels, 1, height, width)
        return grid_sample(maps, grid, padding_mode="border", align_corners=True).view(x.shape)


class DigitNet(nn.Module):
    """The demonstration's network: four 3 x 3 convolutions, each with ReLU and then batch normalisation, and a mean.

    kind: "plain"; "resampled", with a layer like ChannelOffsets before each convolution but the first; or "dai",
    where these three are deformable convolutions as in Dai et al. (2017). Padding at stride 2 is TensorFlow's: one row
    below and one column to the right.

    Shapes: (N, 1, 28, 28) to scores (N, 10).
    """

    def __init__(self, kind: str = PLAIN, layer: type[nn.Module] = ChannelOffsets) -> None:
        super().__init__()
        sizes = list(zip(CHANNELS[:-1], CHANNELS[1:], STRIDES, strict=True))
        self.convs = nn.ModuleList(
            (DeformConv2d if kind == DAI and i else nn.Conv2d)(c, filters, 3, stride, padding=2 - stride)
            for i, (c, filters, stride) in enumerate(sizes)
        )
        self.moves = nn.ModuleList(
            layer(c) if kind == RESAMPLED and i else nn.Identity() for i, (c, _, _) in enumerate(sizes)
        )
        # Keras's momentum of 0.99 is torch's 0.01.
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01) for _, filters, _ in sizes)
        self.classifier = nn.Linear(CHANNELS[-1], 10)
        for part in (*self.convs, self.classifier):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:
        for move, conv, norm, stride in zip(self.moves, self.convs, self.norms, STRIDES, strict=True):
            x = move(x)
            x = norm(relu(conv(pad(x, (0, 1, 0, 1)) if stride == 2 else x)))
        return self.classifier(x.mean((2, 3)))  # type: ignore[no-any-return]

    def adapt(self, plain: "DigitNet") -> None:
        """Take a plain network's weights and fix them; what is new learns, and batch normalisation goes on learning."""
        self.load_state_dict(plain.state_dict(), strict=False)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_("norms" in name or "moves" in name or "branch" in name)
