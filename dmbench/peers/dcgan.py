"""DCGAN's generator and discriminator from layers of torch.nn alone, and ours by torch.compile."""

from torch import nn

from dmbench.models.dcgan import DEVIATION, FILTER, LEAK


def torch_generator(
    noise: int = 100, width: int = 128, channels: int = 3, side: int = 64, depth: int = 4
) -> nn.Sequential:
    """Build the generator; its state dictionary is in another order of names, and the same order of tensors."""
    start = side // 2**depth
    maps = [width * 2**k for k in reversed(range(depth))]
    ups = [
        nn.ConvTranspose2d(a, b, FILTER, 2, FILTER // 2, output_padding=1, bias=False)
        for a, b in zip(maps, [*maps[1:], channels], strict=True)
    ]
    norms = [nn.BatchNorm2d(count) for count in maps[1:]]
    layers: list[nn.Module] = [
        nn.Linear(noise, maps[0] * start**2, bias=False),
        nn.BatchNorm1d(maps[0] * start**2),
        nn.ReLU(),
        nn.Unflatten(1, (maps[0], start, start)),
    ]
    for up, norm in zip(ups, norms, strict=False):
        layers += [up, norm, nn.ReLU()]
    return _begun(nn.Sequential(*layers, ups[-1], nn.Tanh()))


def torch_discriminator(width: int = 128, channels: int = 3, side: int = 64, depth: int = 4) -> nn.Sequential:
    """Build the discriminator."""
    maps = [width * 2**k for k in range(depth)]
    layers: list[nn.Module] = []
    for k, (a, b) in enumerate(zip([channels, *maps[:-1]], maps, strict=True)):
        layers.append(nn.Conv2d(a, b, FILTER, 2, FILTER // 2, bias=False))
        layers += [nn.BatchNorm2d(b)] if k else []
        layers.append(nn.LeakyReLU(LEAK))
    left = side // 2**depth
    return _begun(nn.Sequential(*layers, nn.Flatten(), nn.Linear(maps[-1] * left**2, 1, bias=False), nn.Flatten(0)))


def _begun(net: nn.Sequential) -> nn.Sequential:
    for name, parameter in net.named_parameters():
        if name.endswith("weight"):
            nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, DEVIATION)
    return net


PEERS = {"torch.nn": {"generator": torch_generator, "discriminator": torch_discriminator}}
