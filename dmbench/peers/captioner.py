"""Show and Tell with torch's LSTM: oneDNN or cuDNN behind it."""

from typing import Any

from torch import nn

from dmbench.models.captioner import Captioner


def torch_captioner(features: int, words: int, width: int = 512) -> Captioner:
    """Build it for given features."""
    return Captioner(nn.Identity(), features, words, embedding=width, hidden=width, layer=nn.LSTM)


PEERS: dict[str, dict[str, Any]] = {"torch.nn": {"captioner": torch_captioner}}
