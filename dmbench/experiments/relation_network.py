"""Relation networks: counts, what counting alone scores on sort-of-CLEVR, and training on bAbI and sort-of-CLEVR."""

from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from dmbench.datasets.babi import read_babi
from dmbench.experiments._relation_training import Recipe, kept, train_on_stories
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.relation_network import StoryRelationNetwork

PASSED = 95.0  # %; section 3.3: a model succeeds on a task if it surpasses this
QA1 = Recipe(updates=1500, rate=1e-3)


def check_stories(build: Callable[..., nn.Module]) -> None:
    """Raise ContractError unless it maps stories and questions to logits."""
    net: Any = build(5, 3)
    found = net(torch.tensor([[[1, 2], [3, 0]], [[4, 5], [0, 0]]]), torch.tensor([[1, 2], [3, 0]]))
    if found.shape != (2, 3):
        raise ContractError(f"returned logits of shape {tuple(found.shape)}, not (2, 3)")


STORIES = Subject(
    name="stories",
    default=StoryRelationNetwork,
    contract="f(words, answers) builds a module from facts (N, K, L) and questions (N, L'), numbers of words from 1, "
    "padded behind with 0, to logits (N, answers)",
    check=check_stories,
)


@experiment("babi_qa1", "babi_qa1_passed", tier="slow", artifacts=("babi_qa1",), subjects=(STORIES,), seeds=5)
def babi_qa1(ctx: Context) -> dict[str, float]:
    """Train on bAbI's first task alone; % of the 1,000 test questions right, and whether the task is passed.

    Differs from the paper: 1. One task instead of all 20 jointly. 2. A learning rate of 1e-3 that falls to zero from
    half of the training on, instead of 2e-4, for want of time.
    """
    files = {name.rpartition("_")[2]: path for name, path in ctx.files("babi_qa1").items()}
    train, test = ({1: read_babi(files[f"{part}.txt"])} for part in ("train", "test"))
    net, vocabulary, found = train_on_stories(ctx, QA1, ctx.subject("stories"), train, test)
    ctx.keep(f"relation_network_qa1_seed{ctx.seed}.safetensors", save(**kept(net, vocabulary)))
    return {"babi_qa1": found[1], "babi_qa1_passed": float(found[1] > PASSED)}
