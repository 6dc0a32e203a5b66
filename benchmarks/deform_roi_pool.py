"""RoI pooling beside torchvision's, and the deformable ones, at sizes of Faster R-CNN and R-FCN.

300 RoIs of 7 x 7 bins (Ren et al. 2015, arXiv:1506.01497, section 4; Dai et al. 2016, arXiv:1605.06409, section 3) over
a picture of 600 x 1000 at stride 16, ResNet-101: 38 x 63. The maximum reads the 1024 channels of conv4, R-FCN's score
maps are 49 for each of VOC's 21 classes, with offsets for each class, and the deformable RoI pooling of Dai et al. 2017
reads 256 channels, as in the authors' released code.
"""

import torch

from dmbench.layers import deform_roi_pool as ours
from dmbench.peers.deform_roi_pool import PEERS

from ._common import _Measured, device_or_skip

ROIS, BINS, SCALE, HEIGHT, WIDTH = 300, 7, 1 / 16, 38, 63
# Channels, and of the offsets, where there are some.
LAYERS = {
    "roi_pool": (1024, 0),
    "ps_roi_pool": (21 * BINS**2, 0),
    "deform_roi_pool": (256, 2),
    "deform_ps_roi_pool": (21 * BINS**2, 2 * 21),
}


class DeformRoIPool(_Measured):
    """Inference, and the gradients of features and offsets."""

    params = (list(LAYERS), ["forward", "forward+backward"], ["dmbench", *PEERS], ["cpu", "cuda"])
    param_names = ("layer", "pass", "implementation", "device")

    def setup(self, layer, passes, implementation, device):
        self.device = device_or_skip(device)
        pool = implementation_or_skip(layer, implementation)
        channels, pairs = LAYERS[layer]
        x = torch.randn(1, channels, HEIGHT, WIDTH, device=self.device)
        offset = torch.randn(ROIS, pairs, BINS, BINS, device=self.device)
        boxes = proposals().to(self.device)

        def call():
            return pool(x, boxes, *([offset] if pairs else []), BINS, SCALE)

        upstream = torch.randn_like(call())  # a peer that cannot run says so here, and asv records a skip
        if passes == "forward":
            self.run = call
            return
        wanted = [t.requires_grad_() for t in (x, offset) if t.numel()]
        self.run = lambda: torch.autograd.grad(call(), wanted, upstream)


def implementation_or_skip(layer, implementation):
    if implementation == "dmbench":
        return getattr(ours, layer)
    if layer not in PEERS[implementation]:
        raise NotImplementedError(f"{implementation} has no {layer}")
    return PEERS[implementation][layer]


def proposals():
    """RoIs of 32 to 432 x 332 pixels, anywhere in the picture; the same on each device."""
    generator = torch.Generator().manual_seed(0)
    x, y, w, h = torch.rand(4, ROIS, generator=generator)
    x, y, w, h = 1000 * x, 600 * y, 16 + 200 * w, 16 + 150 * h
    corners = (x - w).clamp(0), (y - h).clamp(0), (x + w).clamp(max=999), (y + h).clamp(max=599)
    return torch.stack([torch.zeros(ROIS), *corners], 1)
