"""The chains of layers whose receptive fields are measured, the longest path of each network.

AlexNet, VGG-16, ResNet and MobileNet are those of TF-Slim, whose fields are printed; its ResNets subsample in the last
unit of a stage, and pad that convolution by one pixel on either side. Of padding the part on the left counts.
"""

from dmbench.layers.effective_receptive_field import Window

CONV = Window(3, padding=1)
HALVED = Window(2, stride=2)
STEM = [Window(7, stride=2, padding=3), Window(3, stride=2)]


def resnet(*units: int) -> list[Window]:
    """Return the 3 x 3 layers of a ResNet of bottlenecks after its stem; its 1 x 1 layers see no further."""
    layers = list(STEM)
    for stage, count in enumerate(units, 1):
        last = Window(3, stride=2, padding=1) if stage < len(units) else CONV
        layers += [*[CONV] * (count - 1), last]
    return layers


ALEXNET = [
    Window(11, stride=4),
    Window(3, stride=2),
    Window(5, padding=2),
    Window(3, stride=2),
    *[CONV] * 3,
    Window(3, stride=2),
]
VGG16 = [layer for count in (2, 2, 3, 3, 3) for layer in [*[CONV] * count, HALVED]]
MOBILENET = [CONV if stride == 1 else Window(3, stride=2) for stride in (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)]

# Size, stride and padding are printed.
NETS = {
    "alexnet": ALEXNET,
    "vgg16": VGG16,
    "resnet50": resnet(3, 4, 6, 3),
    "resnet101": resnet(3, 4, 23, 3),
    "resnet152": resnet(3, 8, 36, 3),
    "mobilenet": MOBILENET,
}
# The size alone is.
SIZES = {
    "two_3x3": [Window(3)] * 2,
    "three_3x3": [Window(3)] * 3,
    "vgg16_fc6": [*VGG16, Window(7)],
    "context_network": [Window(3, dilation=dilation) for dilation in (1, 1, 2, 4, 8, 16, 1)],
}


def fifteen(**changed: Window) -> list[Window]:
    """Return 15 layers of 3 x 3, those named (fourth, eighth, twelfth) replaced."""
    places = {"fourth": 3, "eighth": 7, "twelfth": 11}
    layers = [Window(3)] * 15
    for name, window in changed.items():
        layers[places[name]] = window
    return layers


STRIDED = Window(3, stride=2)
# Nets of equal weights: the deviation of each is sqrt(sum (dilation * step)^2 (kernel^2 - 1) / 12).
VARIANTS = {
    "3x3_20": [Window(3)] * 20,
    "5x5_10": [Window(5)] * 10,
    "plain": fifteen(),
    "subsampled": fifteen(fourth=STRIDED, eighth=STRIDED, twelfth=STRIDED),
    "dilated": fifteen(fourth=Window(3, dilation=2), eighth=Window(3, dilation=4), twelfth=Window(3, dilation=8)),
    "pooled": fifteen(fourth=HALVED, eighth=HALVED, twelfth=HALVED),
}
