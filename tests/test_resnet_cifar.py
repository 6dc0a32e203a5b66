"""ResNets for CIFAR-10: blocks as loops, gradients, the authors' file, the recipe's first update by hand, errors."""

import pytest
import torch
from torch import nn

from dmbench import check
from dmbench.experiments import resnet_cifar as protocol
from dmbench.experiments._digits_training import order
from dmbench.harness.errors import ContractError
from dmbench.models.resnet_cifar import Block, ResNetCifar, init_as_paper, read_authors_weights
from dmbench.regularizers.data_augmentation import flip, random_crop


def conv_as_loops(x, weight, stride):
    """A 3 x 3 correlation of (N, C, H, W) with zeros beyond the border."""
    count, _, height, width = x.shape
    y = torch.zeros(count, len(weight), -(-height // stride), -(-width // stride), dtype=x.dtype)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            for u in (-1, 0, 1):
                for v in (-1, 0, 1):
                    row, column = stride * i + u, stride * j + v
                    if 0 <= row < height and 0 <= column < width:
                        y[:, :, i, j] += x[:, :, row, column] @ weight[:, :, 1 + u, 1 + v].T
    return y


def norm_by_hand(x, norm):
    mean, var = (t[:, None, None] for t in (norm.running_mean, norm.running_var))
    return (x - mean) / (var + norm.eps).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]


def scrambled(module):
    """The module in inference, with statistics and parameters that hide nothing."""
    generator = torch.Generator().manual_seed(0)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) - 0.3 + 0.5 * (tensor.ndim == 1))
    return module.double().eval()


def block_as_loops(block, x, stride):
    y = norm_by_hand(conv_as_loops(x, block.conv1.weight, stride), block.bn1).clamp(min=0)
    y = norm_by_hand(conv_as_loops(y, block.conv2.weight, 1), block.bn2)
    shortcut = torch.zeros_like(y)
    front = (y.shape[1] - x.shape[1]) // 2
    for c in range(x.shape[1]):
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                shortcut[:, front + c, i, j] = x[:, c, stride * i, stride * j]
    return (y + shortcut).clamp(min=0)


@pytest.mark.parametrize(("channels", "filters", "stride"), [(4, 4, 1), (2, 4, 2)])
@torch.no_grad()
def test_a_block_is_its_equations_as_loops(channels, filters, stride):
    block = scrambled(Block(channels, filters))
    x = torch.randn(2, channels, 6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(block(x), block_as_loops(block, x, stride), rtol=0, atol=1e-12)


@torch.no_grad()
def test_the_network_is_a_convolution_the_blocks_in_turn_and_a_mean():
    net = scrambled(ResNetCifar(14))
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = norm_by_hand(conv_as_loops(x, net.conv1.weight, 1), net.bn1).clamp(min=0)
    for stage, first in ((net.layer1, 1), (net.layer2, 2), (net.layer3, 2)):
        for i, block in enumerate(stage):
            y = block_as_loops(block, y, 1 if i else first)
    expected = y.flatten(2).sum(2) / (y.shape[2] * y.shape[3]) @ net.linear.weight.T + net.linear.bias
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=0)


def test_gradients():
    net = ResNetCifar(8).double()
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    assert torch.autograd.gradcheck(init_as_paper(net).eval(), x, fast_mode=True)


def test_without_shortcuts_a_block_forgets_its_input():
    block = Block(4, 4, shortcut=False).eval()
    nn.init.zeros_(block.conv2.weight)
    assert not block(torch.rand(1, 4, 3, 3)).any()
    block.shortcut = True
    x = torch.rand(1, 4, 3, 3)
    assert torch.equal(block(x), x)


def test_the_papers_initialisation_keeps_the_variance_of_rectified_signals():
    net = init_as_paper(ResNetCifar(20), torch.Generator().manual_seed(0))
    assert net.layer3[1].conv1.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
    assert not net.linear.bias.any()


@pytest.mark.parametrize("depth", [0, 2, 18, 21, -4])
def test_a_depth_that_is_not_6n_plus_2_is_refused(depth):
    with pytest.raises(ValueError, match=f"need a depth of 6n \\+ 2, such as 20, 32, 44, 56 or 110: {depth}"):
        ResNetCifar(depth)


@pytest.mark.data
def test_the_authors_file_fills_every_value_of_the_network_by_name(artifact):
    (path,) = artifact("cifar10_resnet20").values()
    missing, unexpected = ResNetCifar(20).load_state_dict(read_authors_weights(path), strict=False)
    assert unexpected == []
    assert all(name.endswith("num_batches_tracked") for name in missing)


class Opens:
    """What a hostile file would call."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize(
    "content", [b"", b"no weights", {"weights": {}}, {"state_dict": [1]}, {"state_dict": {"conv1": 1}}, "hostile"]
)
def test_a_file_that_is_no_weights_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "resnet.th"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"state_dict": {"conv1": Opens(tmp_path / "made")}} if content == "hostile" else content, path)
    with pytest.raises(ValueError, match="resnet.th: damaged, or no weights of a ResNet") as refused:
        read_authors_weights(path)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "made").exists()


class Context:
    """As much of a context as the protocols need, on a few made pictures."""

    device, seed = torch.device("cpu"), 7

    def __init__(self):
        self.points, self.noted = [], {}

    def files(self, name):
        return {name: name}

    def subject(self, name):
        return ResNetCifar

    def note(self, **settings):
        self.noted |= settings

    def progress(self, done, total):
        assert done <= total

    def point(self, **values):
        self.points.append(values)

    def load(self):
        return None

    def save(self, state):
        return True


@pytest.fixture
def made(monkeypatch):
    """A set of made pictures in the place of CIFAR-10."""
    generator = torch.Generator().manual_seed(0)
    parts = {
        part: (
            torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8),
            torch.randint(10, (count,), generator=generator),
        )
        for part, count in (("train", 12), ("test", 260))
    }
    monkeypatch.setattr(protocol, "read_cifar10", lambda files, part: parts[part])
    return parts


def test_on_the_test_set_every_picture_counts_once(made, monkeypatch):
    net = init_as_paper(ResNetCifar(8), torch.Generator().manual_seed(3)).eval()
    monkeypatch.setattr(protocol, "with_weights", lambda ctx, depth: net)
    images, labels = made["test"]
    with torch.no_grad():
        x = (images.double() / 255 - torch.tensor(protocol.MEAN)[:, None, None]) / torch.tensor(protocol.STD)[
            :, None, None
        ]
        wrong = int((net(x.float()).argmax(1) != labels).sum())
    found = protocol.test_set(Context(), 20)
    assert found == dict.fromkeys(("error_20", "weights_error_20"), 100 * wrong / 260)
    assert 0 < wrong < 260


def test_the_first_updates_of_the_recipe_are_those_by_hand(made, monkeypatch):
    monkeypatch.setattr(protocol, "UPDATES", 2)
    monkeypatch.setattr(protocol, "BATCH", 5)
    built = []
    ctx = Context()
    ctx.subject = lambda name: lambda depth: built.append(ResNetCifar(8)) or built[-1]
    torch.manual_seed(1)
    protocol.trained(ctx, 20)

    torch.manual_seed(1)
    net = init_as_paper(ResNetCifar(8))
    images, labels = made["train"]
    x = images / 255
    x -= x.mean(0)
    velocity, losses = [0.0 for _ in net.parameters()], []
    for chosen in order(12, 7, "train 0")[:10].split(5):
        loss = nn.functional.cross_entropy(net(flip(random_crop(x[chosen], 32, 4))), labels[chosen])
        losses.append(loss.item())
        for i, (p, slope) in enumerate(
            zip(net.parameters(), torch.autograd.grad(loss, [*net.parameters()]), strict=True)
        ):
            velocity[i] = 0.9 * velocity[i] + slope + 1e-4 * p.detach()
            p.data -= 0.1 * velocity[i]
    for mine, trained in zip(net.parameters(), built[0].parameters(), strict=True):
        torch.testing.assert_close(trained, mine, rtol=0, atol=1e-4)
    assert ctx.points[0]["train_loss"] == pytest.approx(sum(losses) / 2, abs=1e-4)


def test_the_rate_falls_at_the_papers_updates_and_warms_up_110_layers():
    rates = [protocol.rate(20, u) for u in (0, 31_999, 32_000, 47_999, 48_000, 63_999)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert [protocol.rate(110, u) for u in (0, 399, 400, 32_000)] == pytest.approx([0.01, 0.01, 0.1, 0.01])


@pytest.mark.data
def test_a_subclass_keeps_the_contract_and_another_network_does_not(artifact):
    class Own(ResNetCifar):
        pass

    artifact("cifar10_resnet20")
    assert check("resnet_cifar", numbers="right_20*", resnet=Own)
    with pytest.raises(ContractError, match="does not take the authors' weights, in order"):
        check("resnet_cifar", numbers="right_20*", resnet=lambda depth: ResNetCifar(depth, classes=11))
