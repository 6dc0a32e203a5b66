"""Updates on a CUDA device: graphs against one by one and the CPU, resumed trainings, and nothing waited for."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from dmbench.agents.dqn import Learner, NatureNetwork, Rule
from dmbench.agents.parts.replay import ReplayMemory
from dmbench.agents.parts.rmsprop import RMSProp
from dmbench.agents.parts.updates import GraphedUpdates, Updates
from dmbench.datasets.atari import playing_atari
from dmbench.experiments._dqn_training import Recipe, Training, optimiser

pytestmark = pytest.mark.gpu
RULES = [
    Rule(target_every=3),
    Rule(target_every=None, clip_error=False),
    Rule(target_every=2, double=True, clip_norm=0.1),
]
RECIPE = Recipe(environments=4, memory=2_000, batch=32, begin=200, explore=300, rule=Rule(target_every=20))


@pytest.fixture(autouse=True)
def exact(cuda):
    """Full float32 products, and cuDNN's repeatable kernels, in both forms."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = False, True
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = before


def filled(device):
    random = torch.Generator().manual_seed(0)
    memory = ReplayMemory(1_200, (84, 84), environments=4, device=device)
    first = torch.ones(4, dtype=torch.bool)
    for _ in range(400):
        frames = torch.randint(256, (4, 84, 84), generator=random, dtype=torch.uint8)
        end, cut = (torch.rand(4, generator=random) < share for share in (0.2, 0.05))
        actions, rewards = torch.randint(4, (4,), generator=random), torch.randn(4, generator=random)
        memory.add(frames, first, actions, rewards, end, cut & ~end)
        first = end | cut
    return memory


def made(kind, device, rule, adam, counts=(1, 8, 0, 11)):
    """The losses' sum and the weights after updates of one kind."""
    torch.manual_seed(1)
    network = NatureNetwork(4).to(device)
    rate = {"lr": 1e-4, "eps": 1.5e-4, "fused": True} if adam else {}
    learner = Learner(network, (torch.optim.Adam if adam else RMSProp)(network.parameters(), **rate), rule)
    total, random = torch.zeros((), device=device), torch.Generator().manual_seed(2)
    many = kind(learner, filled(device), 32, total)
    for count in counts:
        many.make(count, random)
    assert learner.updates == sum(counts)
    return [total, *learner.network.state_dict().values()]


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_graphed_updates_are_those_one_by_one(rule, adam, cuda):
    for graphed, eager in zip(made(GraphedUpdates, cuda, rule, adam), made(Updates, cuda, rule, adam), strict=True):
        assert_close(graphed, eager, rtol=1e-5, atol=1e-6)


def test_graphed_updates_repeat_bit_for_bit(cuda):
    twice = [made(GraphedUpdates, cuda, RULES[0], False) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*twice, strict=True))


def test_the_first_updates_are_those_of_the_cpu(cuda):
    """By plain RMSProp steps, whose size is bounded; later ones part, as rounding decides other maxima."""
    on_cpu = made(Updates, torch.device("cpu"), RULES[0], False, counts=(2,))
    for here, there in zip(made(GraphedUpdates, cuda, RULES[0], False, counts=(2,)), on_cpu, strict=True):
        assert_close(here.cpu(), there, rtol=1e-4, atol=1e-5)


def test_an_update_is_one_launch_and_the_host_waits_for_nothing(cuda):
    torch.manual_seed(1)
    network = NatureNetwork(4).to(cuda)
    learner = Learner(network, RMSProp(network.parameters()), Rule())
    many = GraphedUpdates(learner, filled(cuda), 32, torch.zeros((), device=cuda))
    random = torch.Generator().manual_seed(2)
    many.make(8, random)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        many.make(16, random)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("optimise", ["adam", "rmsprop"])
def test_a_training_resumed_on_the_device_is_the_training(optimise, tmp_path, cuda):
    recipe = dataclasses.replace(RECIPE, optimiser=optimise)

    def ended(halfway):
        torch.manual_seed(3)
        build = lambda: Training(  # noqa: E731
            lambda count: playing_atari("breakout", count), NatureNetwork(4), recipe, 0, cuda
        )
        training = build()
        while training.steps < 800:
            if halfway and training.steps == 480:
                state = training.state(tmp_path)
                training = build()
                training.restore(state, tmp_path)
            training.step()
        assert isinstance(training._updates, GraphedUpdates)
        return [training.loss, *training.network.state_dict().values()]

    assert all(torch.equal(a, b) for a, b in zip(ended(False), ended(True), strict=True))


def test_a_checkpoint_of_a_gpu_goes_on_on_a_cpu(tmp_path, cuda):
    make = lambda count: playing_atari("breakout", count)  # noqa: E731
    recipe = dataclasses.replace(RECIPE, optimiser="adam")
    training = Training(make, NatureNetwork(4), recipe, 0, cuda)
    while training.steps < 400:
        training.step()
    torch.save(training.state(tmp_path), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True, map_location="cpu")
    elsewhere = Training(make, NatureNetwork(4), recipe, 0, torch.device("cpu"))
    elsewhere.restore(state, tmp_path)
    assert torch.equal(elsewhere.memory.observations[:100], training.memory.observations[:100].cpu())
    for _ in range(20):
        elsewhere.step()
    assert elsewhere.learner.updates > training.learner.updates


def test_recipes_optimisers_can_be_captured(cuda):
    for name in ("adam", "rmsprop"):
        network = NatureNetwork(4).to(cuda)
        learner = Learner(network, optimiser(network, dataclasses.replace(RECIPE, optimiser=name)), Rule())
        GraphedUpdates(learner, filled(cuda), 32, torch.zeros((), device=cuda)).make(1, torch.Generator())
