"""SRCNN 9-5-5: its convolutions one by one, and the whole network (arXiv:1501.00092, sections 3 and 4.1)."""

import torch

from dmbench.models.srcnn import SRCNN

from ._common import PASSES, _Measured, device_or_skip

LAYERS = {"9x9x1->64": "conv1", "5x5x64->32": "conv2", "5x5x32->1": "conv3"}


class Convolution(_Measured):
    """Each layer on what reaches it: training sub-images of 33x33, unpadded, or a 255x255 picture, edges replicated.

    255x255 is Set5's butterfly at x3. Torch is the only implementation, so there is no peer.
    """

    params = (list(LAYERS), ["128 of 33x33", "255x255"], list(PASSES), ["cpu", "cuda"])
    param_names = ("layer", "input", "pass", "device")

    def setup(self, layer, images, passes, device):
        self.device = device_or_skip(device)
        training = images == "128 of 33x33"
        net = SRCNN(5, same_size=not training).to(self.device)
        batch, side = (128, 33) if training else (1, 255)
        with torch.no_grad():
            x = torch.rand(batch, 1, side, side, device=self.device)
            for name in ("conv1", "conv2", "conv3"):
                if name == LAYERS[layer]:
                    break
                x = torch.relu(getattr(net, name)(x))
        x.requires_grad_(layer != "9x9x1->64")  # nobody needs the gradient of the picture
        self.run = PASSES[passes](getattr(net, LAYERS[layer]), x)


class Network(_Measured):
    """Inference on 256x256, and a training step on the paper's 33x33 sub-images, 128 at a time."""

    params = (["inference, 256x256", "training, 128 of 33x33"], ["cpu", "cuda"])
    param_names = ("case", "device")

    def setup(self, case, device):
        self.device = device_or_skip(device)
        if case == "inference, 256x256":
            net, passes, shape = SRCNN(5), "forward", (1, 1, 256, 256)
        else:
            net, passes, shape = SRCNN(5, same_size=False), "forward+backward", (128, 1, 33, 33)
        self.run = PASSES[passes](net.to(self.device), torch.rand(shape, device=self.device))
