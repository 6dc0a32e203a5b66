"""RoI pooling, plain, position-sensitive and deformable: a rectangle of features of any size to a grid of fixed size.

Source: Girshick (2015), Fast R-CNN, arXiv:1504.08083, section 2.1 (maximum); Dai et al. (2016), R-FCN,
arXiv:1605.06409, section 2 (position-sensitive, average); Dai et al. (2017), Deformable Convolutional Networks,
arXiv:1703.06211, section 2.2:
    y(i, j) = sum over p in bin(i, j) of x(p0 + p) / nij                                 (Eq. 5)
    y(i, j) = sum over p in bin(i, j) of x(p0 + p + dpij) / nij                          (Eq. 6)
    dpij = gamma * offset(i, j) * (w, h);  floor(i w / k) <= px < ceil((i + 1) w / k), py alike
Symbols: p0 the first pixel of the RoI, w x h its size in pixels, nij how many pixels its bin holds; x is read between
pixels bilinearly, and is zero outside the picture.

Shapes: N pictures, C channels, H x W pixels, R RoIs, kh x kw bins, G groups of channels with offsets of their own.

Differs from the paper:
1. No paper says how a box becomes pixels. Here its corners times spatial_scale are rounded, halves away from zero;
   `roi_pool` and `deform_roi_pool` take the second corner's pixel in (w = x2 - x1 + 1, as Fast R-CNN's released code),
   the position-sensitive ones do not. So does torchvision. Bins are cut off at the border before they move: nij counts
   the pixels inside the picture, and an empty bin is 0.
2. torchvision computes the bounds of bins in floating point: of 7 bins the last reads a row too many where an RoI has
   57, 114 or 121 pixels in float32, or 29, 58, 116 or 123 in float64. Here they are whole numbers, as printed.
3. torchvision.ops.ps_roi_pool never reads the last row and column of the picture. The authors' code does, and this.
   A NaN makes its bins NaN here, and the maximum of infinities below is one; torchvision passes over both.
4. The authors' code (`samples=4`) rounds the corners before it scales them, takes half a pixel off, keeps fractional
   bins of at least 0.1 / k pixels, reads samples x samples points from each bin's first corner on, clamps those within
   half a pixel outside, and leaves out of the mean those farther away. (Its plain position-sensitive pooling reads all
   pixels that such a bin touches.) Eq. 6 instead moves whole pixels, and what is moved outside counts as zero.
5. At whole positions, as at the start of training, the slope is the one to the right; in the authors' code it is 0.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from dmbench.layers.conv2d import Pair, pair
from dmbench.layers.kernels.roi_average import average
from dmbench.layers.kernels.roi_bags import maxima
from dmbench.layers.kernels.roi_bins import bins_of
from dmbench.layers.kernels.roi_checks import checked
from dmbench.layers.kernels.roi_tables import from_bags, raised, rectangles, table_of

Boxes = Tensor | Sequence[Tensor]


def roi_pool(input: Tensor, boxes: Boxes, output_size: Pair, spatial_scale: float = 1.0) -> Tensor:
    """Take the maximum of each bin; as torchvision.ops.roi_pool.

    The gradient goes to the first of equal maxima in reading order; boxes have none, in any function here. Boxes are
    looked at before anything is computed: a GPU waits for that, and torch.compile breaks its graph there.

    Args:
        input: (N, C, H, W), floating; float16 and bfloat16, and all under autocast, are computed in float32.
        boxes: (R, 5), each (picture, x1, y1, x2, y2), or for each picture a tensor (L, 4), in pixels of the original
            picture. Anywhere: outside it a bin is 0. With corners swapped: the pixel at the first corner.
        output_size: kh x kw, one number or (rows, columns).
        spatial_scale: pixels of the features for one of the original picture, as 1 / 16.

    Returns:
        (R, C, kh, kw), dtype of input; channels last in memory where the input is.

    Raises:
        ValueError: a box is not finite, or of a picture that is not there; sizes or devices do not fit.
        TypeError: a tensor is not floating.
    """
    output, boxes = checked(input, boxes, output_size, spatial_scale)
    bins = bins_of(boxes, spatial_scale, output, (input.shape[2], input.shape[3]), last_included=True)
    return from_bags(maxima(table_of(raised(input)), rectangles(bins, input.shape)), 1, output, input)


def ps_roi_pool(input: Tensor, boxes: Boxes, output_size: Pair, spatial_scale: float = 1.0) -> Tensor:
    """Average each bin over a channel of its own; as torchvision.ops.ps_roi_pool, but see above.

    input: (N, C * kh * kw, H, W): channel (c * kh + i) * kw + j is read by bin (i, j) of output channel c.
    Other arguments, returns and raises as `roi_pool`.
    """
    return deform_ps_roi_pool(input, boxes, None, output_size, spatial_scale)


def deform_roi_pool(
    input: Tensor,
    boxes: Boxes,
    offset: Tensor | None,
    output_size: Pair,
    spatial_scale: float = 1.0,
    *,
    gamma: float = 0.1,
    samples: int | None = None,
) -> Tensor:
    """Average each bin, moved by its offset (Eq. 6); without offsets, Eq. 5.

    Args:
        input, boxes, output_size, spatial_scale: as in `roi_pool`.
        offset: (R, 2, kh, kw), x and then y (unlike deform_conv2d's), as parts of the RoI's width and height, times
            gamma. Any value: moved far outside a bin is 0; NaN gives NaN.
        gamma: scales the offsets.
        samples: None for the pixels of the bin, as printed; 4 for the sample points of the authors' code.

    Returns and raises as `roi_pool`. Second derivatives and forward mode are right where torch has them for what a
    group's channels take (one channel: yes, more: embedding_bag, no), and refused elsewhere.
    """
    output, boxes = checked(input, boxes, output_size, spatial_scale, offset, samples)
    return average(input, boxes, offset, output, spatial_scale, gamma, samples, position_sensitive=False)


def deform_ps_roi_pool(
    input: Tensor,
    boxes: Boxes,
    offset: Tensor | None,
    output_size: Pair,
    spatial_scale: float = 1.0,
    *,
    gamma: float = 0.1,
    samples: int | None = None,
) -> Tensor:
    """Average each bin, moved by its offset, over a channel of its own.

    input: (N, C * kh * kw, H, W), as in `ps_roi_pool`.
    offset: (R, 2 * G, kh, kw), for each of G groups of C / G output channels x and then y. R-FCN's classes: G = C.
    Other arguments, returns and raises as `deform_roi_pool`.
    """
    output, boxes = checked(input, boxes, output_size, spatial_scale, offset, samples, position_sensitive=True)
    return average(input, boxes, offset, output, spatial_scale, gamma, samples, position_sensitive=True)


class _Layer(nn.Module):
    def __init__(self, output_size: Pair, spatial_scale: float, gamma: float, samples: int | None) -> None:
        super().__init__()
        self.size, self.scale, self.gamma, self.samples = (
            pair(output_size, "output_size", 1),
            spatial_scale,
            gamma,
            samples,
        )
        self.bins = math.prod(self.size)


class DeformRoIPool(_Layer):
    """The layer with its offset branch (Figure 3): Eq. 5, a fully connected layer to the offsets, Eq. 6.

    The branch starts at zero, and the layer as Eq. 5. The authors train it at 0.01 of the learning rate (section 2.3).
    channels: C. Other arguments as in `deform_roi_pool`.
    """

    def __init__(
        self, channels: int, output_size: Pair, spatial_scale: float = 1, gamma: float = 0.1, samples: int | None = None
    ) -> None:
        super().__init__(output_size, spatial_scale, gamma, samples)
        self.fc = nn.Linear(channels * self.bins, 2 * self.bins)
        _zero(self.fc)

    def forward(self, input: Tensor, boxes: Boxes) -> Tensor:
        """(N, C, H, W) and R boxes to (R, C, kh, kw)."""
        pooled = deform_roi_pool(input, boxes, None, self.size, self.scale, samples=self.samples)
        offset = self.fc(pooled.flatten(1)).view(-1, 2, *self.size)
        return deform_roi_pool(input, boxes, offset, self.size, self.scale, gamma=self.gamma, samples=self.samples)


class DeformPSRoIPool(_Layer):
    """The layer with both convolutions (Figure 4): one to score maps, one to offset fields, 1 x 1.

    The fields are pooled as the scores are, without offsets. They start at zero, and the layer as R-FCN's.
    in_channels: of the input. out_channels: C. groups: G; None for C, an offset "also for each class" (section 2.2).
    Other arguments as in `deform_roi_pool`.
    Raises: ValueError: groups does not divide out_channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        output_size: Pair,
        spatial_scale: float = 1,
        gamma: float = 0.1,
        samples: int | None = None,
        groups: int | None = None,
    ) -> None:
        super().__init__(output_size, spatial_scale, gamma, samples)
        groups = out_channels if groups is None else groups
        if groups < 1 or out_channels % groups:
            raise ValueError(f"groups must divide out_channels {out_channels}: {groups}")
        self.scores = nn.Conv2d(in_channels, out_channels * self.bins, 1)
        self.fields = nn.Conv2d(in_channels, 2 * groups * self.bins, 1)
        _zero(self.fields)

    def forward(self, input: Tensor, boxes: Boxes) -> Tensor:
        """(N, in_channels, H, W) and R boxes to (R, C, kh, kw)."""
        size, scale, samples, fields = self.size, self.scale, self.samples, self.fields(input)
        offset = deform_ps_roi_pool(fields, boxes, None, size, scale, samples=samples)
        return deform_ps_roi_pool(self.scores(input), boxes, offset, size, scale, gamma=self.gamma, samples=samples)


def _zero(branch: nn.Module) -> None:
    for parameter in branch.parameters():
        nn.init.zeros_(parameter)
