"""How networks are scored on ImageNet's validation pictures: on the 1,300 of a subset, and on a user's 50,000.

The subset is easier than the whole: the same network gets 5 to 15 points more there. Its counts are therefore tracked,
and compared with what a network's authors print only through the shift of another network (`_imagenet_shift`).

Shapes: N pictures, K = 1,000 classes.
"""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.datasets.caffe_pictures import batches
from dmbench.datasets.imagenet import CLASSES, Listed, list_folder, list_pictures, read_labels, read_synsets
from dmbench.experiments._super_resolution import fill
from dmbench.harness.errors import ContractError, UsageError
from dmbench.harness.experiment import Context, MeasurementError
from dmbench.harness.paths import reference

SUBSET = "imagenet_val_1300"
LABELS = "imagenet_val_labels"
SYNSETS = "imagenet_synsets"
VARIABLE = "DMBENCH_IMAGENET"
NEEDS = {VARIABLE: "a folder with the 50,000 ILSVRC2012 validation pictures"}
FIRST = 100  # pictures of the quick tier
BATCH = {"cpu": 4, "cuda": 64}  # the fastest on a core; any gives the same but for rounding
SAVE_EVERY = 1000  # pictures
UNREADABLE = 0.01  # of a folder: more is no few damaged files
NAMED = 20  # lines about pictures that a record keeps


@dataclass
class Score:
    """Right answers so far. closest: the smallest difference in logit that decided whether one was right."""

    seen: int = 0
    top1: int = 0
    top5: int = 0
    closest: float = math.inf
    unreadable: list[str] = field(default_factory=list)

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: logits (N, K), labels (N). Of equal logits the class of the smaller number comes first."""
        own = logits.gather(1, labels[:, None])
        earlier = torch.arange(logits.shape[1], device=logits.device) < labels[:, None]
        rank = ((logits > own) | ((logits == own) & earlier)).sum(1)
        self.seen += len(labels)
        self.top1 += int((rank < 1).sum())
        self.top5 += int((rank < 5).sum())
        others = logits.scatter(1, labels[:, None], -math.inf).topk(5).values
        self.closest = min(self.closest, *(float((own[:, 0] - others[:, k]).abs().min()) for k in (0, 4)))

    def percent(self, count: int) -> float:
        """Return a count as percent of the pictures that could be read."""
        return 100 * count / self.seen


def network(ctx: Context, part: str, weights: Sequence[Tensor], *arguments: object) -> nn.Module:
    """Build the network under test with weights, or with its own where it has `pretrained`.

    Raises:
        ContractError: its parameters, in order, have other shapes than the weights.
    """
    build = ctx.subject(part)
    net = build.pretrained(ctx) if hasattr(build, "pretrained") else build(*arguments)
    if not hasattr(build, "pretrained"):
        fill(net, list(weights))
    return ready(net, ctx.device)


def ready(net: nn.Module, device: torch.device) -> nn.Module:
    """Return the network as it is scored: in evaluation, channels last, which is a third faster on a CPU."""
    return net.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def check_network(net: Any, side: int) -> None:
    """Raise ContractError unless net maps pictures (2, 3, side, side) to finite logits (2, K)."""
    with torch.no_grad():
        logits = net.eval()(torch.zeros(2, 3, side, side))
    if not isinstance(logits, Tensor) or logits.shape != (2, CLASSES):
        raise ContractError(f"returned {tuple(getattr(logits, 'shape', ()))}, not (2, {CLASSES})")
    if not bool(logits.isfinite().all()):
        raise ContractError("returned NaN or infinity")


def subset(ctx: Context, first: int | None = None) -> list[Listed]:
    """Return the pictures of the subset with their labels, or the first of them, in the order of their names."""
    (labels,) = ctx.files(LABELS).values()
    return list_pictures(ctx.files(SUBSET), read_labels(labels))[:first]


def on_subset(
    ctx: Context, net: nn.Module, side: int, pictures: Sequence[Listed], turn: int = 0, turns: int = 1
) -> Score:
    """Score a network on pictures that are squashed to 227 x 227 already; none may be damaged.

    turn, turns: which of how many networks it is, for the progress shown.
    """
    score = Score()
    for _ in scored(ctx, net, pictures, side, None, score):
        ctx.progress(turn * len(pictures) + score.seen, turns * len(pictures))
    if score.unreadable:
        raise MeasurementError(f"{len(score.unreadable)} of {len(pictures)} unreadable: {score.unreadable[0]}")
    ctx.note(pictures=score.seen)
    return score


def on_folder(ctx: Context, net: nn.Module, side: int) -> Score:
    """Score a network on the folder that DMBENCH_IMAGENET names: all pictures that have a label must be there.

    A picture that cannot be read is named, counted and left out, and the run goes on; a killed run goes on too.

    Raises:
        UsageError: the folder is not ImageNet's validation set.
        MeasurementError: more than one of a hundred pictures cannot be read.
    """
    pictures = _listed(ctx, Path(os.environ[VARIABLE]))
    score, done = Score(), 0
    folder = {"folder": os.environ[VARIABLE], "pictures": len(pictures)}
    if (saved := ctx.load()) and {key: saved[key] for key in folder} == folder:
        score, done = Score(**saved["score"]), saved["done"]
    next_save = done + SAVE_EVERY
    for read in scored(ctx, net, pictures[done:], side, 256, score):
        ctx.progress(done + read, len(pictures))
        if len(score.unreadable) > UNREADABLE * len(pictures):
            raise MeasurementError(f"{len(score.unreadable)} of {done + read:,} unreadable: {score.unreadable[-1]}")
        if done + read >= next_save:
            next_save += SAVE_EVERY
            ctx.save(folder | {"done": done + read, "score": asdict(score)})
    ctx.note(pictures=score.seen, closest_logits=score.closest, unreadable=len(score.unreadable))
    if score.unreadable:
        ctx.note(unreadable_pictures=score.unreadable[:NAMED])
    return score


def _listed(ctx: Context, folder: Path) -> list[Listed]:
    ((labels,), (synsets,)) = (ctx.files(name).values() for name in (LABELS, SYNSETS))
    try:
        return list_folder(folder, read_labels(labels), [synset for synset, _ in read_synsets(synsets)])
    except ValueError as error:
        raise UsageError(f"{VARIABLE}: {error}") from error


def scored(
    ctx: Context, net: nn.Module, pictures: Sequence[Listed], side: int, resize: int | None, score: Score
) -> Iterable[int]:
    """Add pictures to a score, batch by batch; after each give how many pictures were read or found unreadable."""
    paths = [picture.path for picture in pictures]
    size, read = BATCH[ctx.device.type], 0
    for x, places, unreadable in batches(paths, side, resize=resize, batch=size, threads=torch.get_num_threads()):
        if places:
            labels = torch.tensor([pictures[place].label for place in places], device=ctx.device)
            score.add(logits_of(net, x.to(ctx.device)), labels)
        score.unreadable += unreadable
        read += len(places) + len(unreadable)
        yield read


def logits_of(net: nn.Module, x: Tensor) -> Tensor:
    """Return the logits (N, K) of pictures (N, 3, side, side)."""
    with torch.inference_mode():
        logits: Tensor = net(x.contiguous(memory_format=torch.channels_last)).float()
    return logits


def from_tracked(ctx: Context, net: nn.Module, side: int, name: str) -> float:
    """Return the largest difference of the first picture's logits from reference_results/tracked/<name>.txt."""
    text = (reference() / "tracked" / f"{name}.txt").read_text(encoding="utf-8")
    kept = torch.tensor([float(word) for word in text.split()], dtype=torch.float64)
    return float((first_logits(ctx, net, side) - kept).abs().max())


def first_logits(ctx: Context, net: nn.Module, side: int) -> Tensor:
    """Return the logits (K), float64, of the subset's first picture."""
    ((x, _, _),) = batches([subset(ctx, 1)[0].path], side, resize=None, batch=1)
    return logits_of(net, x.to(ctx.device))[0].cpu().double()
