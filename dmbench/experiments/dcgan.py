"""DCGAN: sizes of Figure 1, a comparison with torch.nn, MNIST on a CPU, and stacked MNIST's thousand modes on a GPU."""

from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from dmbench.datasets.stacked_mnist import draw
from dmbench.experiments._digit_classifier import probabilities, train_classifier
from dmbench.experiments._digits_training import Digits, read_digits
from dmbench.experiments._gan_scores import SAMPLES, estimate, flat_digits
from dmbench.experiments._gan_training import Recipe, batches, sample, train
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.metrics.inception_score import inception_score
from dmbench.metrics.mode_collapse import stacked_modes
from dmbench.metrics.parzen import parzen
from dmbench.models.dcgan import DCDiscriminator, DCGenerator
from dmbench.peers.dcgan import torch_generator

SMALL = Recipe(updates=1500, batch=64, noise=100, rate=4e-4, deviation=None)
SMALL_SIZES = {"width": 16, "channels": 1, "side": 28, "depth": 2}
# fjxmlzn/PacGAN, stacked_MNIST_experiments: 50 epochs of 128,000 images, two updates of the generator in each turn.
STACKED = Recipe(updates=100_000, batch=64, noise=100, rate=2e-4, repeats=2, deviation=None)
STACKED_SIZES = {"width": 128, "channels": 3, "side": 28, "depth": 2}
SCORED, WATCHED = 26_000, 2600  # samples, at last and for a point of the curve


def check_generator(build: Callable[..., nn.Module]) -> None:
    """Raise ContractError unless it maps noise to images."""
    found = build(noise=3, width=2, channels=1, side=8, depth=2)(torch.rand(4, 3))
    if found.shape != (4, 1, 8, 8) or float(found.detach().abs().max()) > 1:
        raise ContractError(f"gave images of shape {tuple(found.shape)}, not (4, 1, 8, 8), or outside [-1, 1]")


def check_discriminator(build: Callable[..., nn.Module]) -> None:
    """Raise ContractError unless it maps images to scores."""
    found = build(width=2, channels=1, side=8, depth=2)(torch.rand(4, 1, 8, 8))
    if found.shape != (4,):
        raise ContractError(f"gave scores of shape {tuple(found.shape)}, not (4,)")


GENERATOR = Subject(
    name="generator",
    default=DCGenerator,
    contract="f(noise, width, channels, side, depth) builds a module from (N, noise) to (N, channels, side, side) in "
    "[-1, 1]; without arguments that of Figure 1",
    check=check_generator,
)
DISCRIMINATOR = Subject(
    name="discriminator",
    default=DCDiscriminator,
    contract="f(width, channels, side, depth) builds a module from (N, channels, side, side) to scores (N); without "
    "arguments the one for Figure 1's generator",
    check=check_discriminator,
)
NETS = (GENERATOR, DISCRIMINATOR)


@experiment("generator_parameters", tier="quick", subjects=(GENERATOR,))
def generator_size(ctx: Context) -> dict[str, float]:
    """Count the parameters of Figure 1's generator."""
    return {"generator_parameters": _parameters(ctx.subject("generator"))}


@experiment("discriminator_parameters", tier="quick", subjects=(DISCRIMINATOR,))
def discriminator_size(ctx: Context) -> dict[str, float]:
    """Count the parameters of the discriminator of 64 x 64 pictures."""
    return {"discriminator_parameters": _parameters(ctx.subject("discriminator"))}


@experiment("generator_maps", tier="quick", subjects=(GENERATOR,))
def maps(ctx: Context) -> dict[str, list[float]]:
    """Read the shapes of the tensors that go into Figure 1's convolutions and come out of the last one."""
    seen: list[tuple[int, ...]] = []
    with torch.device("meta"):
        net = ctx.subject("generator")()
        for module in net.modules():
            if isinstance(module, nn.ConvTranspose2d):
                module.register_forward_hook(lambda _, given, out: seen.extend([given[0].shape, out.shape]))
        net.eval()(torch.zeros(1, 100))
    sizes = [seen[0], *seen[1::2]]
    return {"generator_maps": [float(size) for shape in sizes for size in shape[1:3]]}


@experiment("difference_torch", tier="quick", subjects=(GENERATOR,))
def torchs(ctx: Context) -> dict[str, float]:
    """Give the weights to layers of torch.nn; the largest difference of pictures and gradients, in training mode."""
    sizes = {"noise": 10, "width": 8, "channels": 3, "side": 32, "depth": 3}
    mine, theirs = ctx.subject("generator")(**sizes), torch_generator(**sizes)
    _copy(mine, theirs)
    z, upstream = torch.rand(16, 10), torch.randn(16, 3, 32, 32)
    found = []
    for net in (mine, theirs):
        pictures = net(z)
        found.append([pictures.detach(), *torch.autograd.grad((pictures * upstream).mean(), _in_order(net))])
    return {"difference_torch": max(float((a - b).abs().max()) for a, b in zip(*found, strict=True))}


@experiment("mnist_parzen", "mnist_score", tier="slow", artifacts=("mnist",), subjects=NETS, seeds=3)
def mnist(ctx: Context) -> dict[str, float]:
    """Train a small one on MNIST; the test digits' log-likelihood by 10,000 samples, and their inception score.

    The classifier of the score is LeNet-5 after 400 updates, about 98 % right.
    """
    digits, flat = read_digits(ctx, "train"), flat_digits(ctx)
    generator = ctx.subject("generator")(noise=SMALL.noise, **SMALL_SIZES)

    def measured() -> dict[str, float]:
        few = to_unit(sample(generator, SMALL, WATCHED, ctx.seed or 0, ctx.device))
        return {"parzen": parzen(flat.validation, flat.train[:500], few.flatten(1)).mean}

    real = batches(2 * flat.train.view(-1, 1, 28, 28) - 1, SMALL.batch, ctx.seed or 0)
    net = ctx.subject("discriminator")(**SMALL_SIZES)
    train(ctx, SMALL, generator, net, real, measured, evaluate_every=SMALL.updates // 10, save_every=500)
    keep(ctx, f"dcgan_mnist_seed{ctx.seed}", generator)
    samples = to_unit(sample(generator, SMALL, SAMPLES, ctx.seed or 0, ctx.device))
    classifier = train_classifier(digits, 400)
    return {
        "mnist_parzen": estimate(flat, samples.flatten(1)).mean,
        "mnist_score": inception_score(probabilities(classifier, samples)).mean,
    }


@experiment(
    "stacked_modes",
    "stacked_divergence",
    tier="full",
    artifacts=("mnist",),
    subjects=NETS,
    seeds=5,
    gpu=True,
)
def stacked(ctx: Context) -> dict[str, float]:
    """Train on stacked MNIST; of the 1,000 modes, how many 26,000 samples find, and KL from even, nats.

    Differs from PacGAN's code: 1. 28 x 28 pictures begin at 7 x 7, and with 256 maps, not at 2 x 2 with 1,024.
    2. Images are drawn anew at each update from the 60,000 training digits.
    """
    digits = read_digits(ctx, "train")
    return _stacked(ctx, digits, STACKED, STACKED_SIZES, classifier_updates=3000)


def _stacked(
    ctx: Context, digits: Digits, recipe: Recipe, sizes: dict[str, int], classifier_updates: int
) -> dict[str, float]:
    classifier = train_classifier(digits, classifier_updates)
    generator = ctx.subject("generator")(noise=recipe.noise, **sizes)

    def modes(count: int) -> Any:
        images = to_unit(sample(generator, recipe, count, ctx.seed or 0, ctx.device))
        found = probabilities(classifier, images.flatten(0, 1)[:, None]).argmax(1)
        return stacked_modes(found.view(-1, sizes["channels"]))

    def real(update: int) -> Tensor:
        images, _ = draw(digits.images[:, 0], digits.labels, recipe.batch)
        return 2 * images - 1

    def measured() -> dict[str, float]:
        found = modes(WATCHED)
        return {"modes": found.modes, "divergence": found.divergence}

    net = ctx.subject("discriminator")(**sizes)
    train(ctx, recipe, generator, net, real, measured, evaluate_every=recipe.updates // 50)
    keep(ctx, f"dcgan_stacked_seed{ctx.seed}", generator)
    found = modes(SCORED)
    return {"stacked_modes": found.modes, "stacked_divergence": found.divergence}


def keep(ctx: Context, name: str, net: nn.Module) -> None:
    """Keep a generator's weights in half precision, whole numbers as they are."""
    state = {k: v.half().cpu() if v.is_floating_point() else v.cpu() for k, v in net.state_dict().items()}
    ctx.keep(f"{name}.safetensors", save(state))


def to_unit(images: Tensor) -> Tensor:
    """Map pixels from [-1, 1] to [0, 1]."""
    return (images + 1) / 2


def _in_order(net: nn.Module) -> list[nn.Parameter]:
    """Return a network's parameters by their number of dimensions, then in their own order."""
    return sorted(net.parameters(), key=lambda parameter: parameter.ndim)


def _copy(source: nn.Module, target: nn.Module) -> None:
    given, wanted = _in_order(source), _in_order(target)
    if [tuple(p.shape) for p in given] != [tuple(p.shape) for p in wanted]:
        raise ContractError("has other weights than the layers of Figure 1: it cannot be compared with torch.nn's")
    with torch.no_grad():
        for a, b in zip(given, wanted, strict=True):
            b.copy_(a)


def _parameters(build: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build().parameters())
