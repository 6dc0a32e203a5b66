"""Visual question answering with torch's LSTM: oneDNN or cuDNN behind it."""

from functools import partial
from typing import Any

from torch import nn

from dmbench.models.vqa import VQA

PEERS: dict[str, dict[str, Any]] = {"torch.nn": {"vqa": partial(VQA, layer=nn.LSTM)}}
