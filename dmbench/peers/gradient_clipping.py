"""Gradient clipping by torch."""

from torch.nn.utils import clip_grad_norm_, clip_grad_value_

PEERS = {"torch.nn.utils": {"by_norm": clip_grad_norm_, "by_value": clip_grad_value_}}
