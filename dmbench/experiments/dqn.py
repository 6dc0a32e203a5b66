"""DQN: parameter counts, a random player's scores, agents trained by others, and training on the seven games."""

from dataclasses import asdict, replace
from typing import Any

import torch

from dmbench.agents.dqn import NatureNetwork, PlayingAtariNetwork, Rule, VectorNetwork
from dmbench.datasets.atari import GAMES, nature, playing_atari, protocol_2013, protocol_2015
from dmbench.datasets.atari_spares import SparedAtari
from dmbench.datasets.emulator import Emulator
from dmbench.datasets.environments import Tasks, check_actions
from dmbench.experiments._dqn import greedy, keep, scored, train
from dmbench.experiments._dqn_agents import facts_of, network_of
from dmbench.experiments._dqn_training import Recipe
from dmbench.experiments._sb3 import part, read_policy
from dmbench.experiments._scoring import mean_and_error, play, play_at_random
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment

# Episodes a seed of a random player. So many that twenty seeds leave the interval room within the tolerance, by trials
# on other seeds; Nature's Pong, whose mean lies near the tolerance's end, needs 2,000 episodes, six minutes of CPU.
SEEDS = 20
QUICK_2013 = {"breakout": 16, "pong": 20, "qbert": 10}
SLOW_2013 = {"beam_rider": 20, "enduro": 2, "seaquest": 15, "space_invaders": 60}
QUICK_NATURE = {"breakout": 30, "qbert": 10}
SLOW_NATURE = {"beam_rider": 15, "enduro": 2, "pong": 100, "seaquest": 20, "space_invaders": 15}
# Task and episodes a seed of an agent trained by others.
TASKS = {"cartpole": ("CartPole-v1", 10), "acrobot": ("Acrobot-v1", 20), "mountaincar": ("MountainCar-v0", 40)}
# Games with a trained agent in reference_results/agents: artifact agent_<game>, its score the number <game>_agent.
AGENTS: tuple[str, ...] = ("enduro",)
ON_A_GPU = 32  # environments that step together
EPISODES = 30  # a trained agent is scored on, as in 2015


def check_agent(build: Any) -> None:
    """Raise ContractError unless build(actions) gives values of frames, or build.policy(game, actions) actions."""
    frames = torch.zeros(2, 4, 84, 84, dtype=torch.uint8)
    if hasattr(build, "policy"):
        try:
            check_actions(build.policy("breakout", 4)(frames), 2, 4)
        except ValueError as error:
            raise ContractError(str(error)) from error
        return
    values = build(4)(frames)
    if values.shape != (2, 4):
        raise ContractError(f"gives values of shape {tuple(values.shape)} for two states and four actions")
    if not bool(torch.isfinite(values).all()):
        raise ContractError(f"gives values that are not finite: {values.flatten().tolist()[:4]}")


def agent(default: Any) -> Subject:
    """Return the part that plays: a network to train, or a policy that is scored as it is."""
    return Subject(
        name="dqn",
        default=default,
        contract="MyNet(actions) is a torch.nn.Module that maps frames, uint8 (N, 4, 84, 84), to values (N, actions), "
        "and is trained; or MyNet.policy(game, actions) returns a callable from such frames to N whole numbers in "
        "[0, actions), which is scored as it is",
        check=check_agent,
    )


AGENT_2013, AGENT_NATURE = agent(PlayingAtariNetwork), agent(NatureNetwork)


@experiment("parameters_2013", tier="quick")
def count_2013(ctx: Context) -> dict[str, float]:
    """Count the parameters of the network of 2013 for six actions."""
    return {"parameters_2013": sum(p.numel() for p in PlayingAtariNetwork(6).parameters())}


@experiment("parameters_nature", tier="quick")
def count_nature(ctx: Context) -> dict[str, float]:
    """Count the parameters of the network of 2015 for six actions."""
    return {"parameters_nature": sum(p.numel() for p in NatureNetwork(6).parameters())}


@experiment("random_{game}_2013", tier="quick", seeds=SEEDS, over={"game": tuple(QUICK_2013)})
def random_2013(ctx: Context, game: str) -> dict[str, float]:
    """Score a random player by the protocol of 2013."""
    return {f"random_{game}_2013": at_random(ctx, Emulator(game, protocol_2013(game)), QUICK_2013[game])}


@experiment("random_{game}_2013", tier="slow", seeds=SEEDS, over={"game": tuple(SLOW_2013)})
def random_2013_more(ctx: Context, game: str) -> dict[str, float]:
    """Score a random player by the protocol of 2013, on the longer games."""
    return {f"random_{game}_2013": at_random(ctx, Emulator(game, protocol_2013(game)), SLOW_2013[game])}


@experiment("random_{game}_nature", tier="quick", seeds=SEEDS, over={"game": tuple(QUICK_NATURE)})
def random_nature(ctx: Context, game: str) -> dict[str, float]:
    """Score a random player by the protocol of 2015: an action every sixth frame, at most five minutes."""
    return {f"random_{game}_nature": at_random(ctx, Emulator(game, protocol_2015(6, 5)), QUICK_NATURE[game])}


@experiment("random_{game}_nature", tier="slow", seeds=SEEDS, over={"game": tuple(SLOW_NATURE)})
def random_nature_more(ctx: Context, game: str) -> dict[str, float]:
    """Score a random player by the protocol of 2015, on the longer games."""
    return {f"random_{game}_nature": at_random(ctx, Emulator(game, protocol_2015(6, 5)), SLOW_NATURE[game])}


def at_random(ctx: Context, emulator: Emulator, episodes: int) -> float:
    """Return the mean score of a random player over a seed's episodes, whose scores the record has.

    How many there are is fixed beforehand and all are finished, so that short ones do not count for more.
    """
    scores = play_at_random(emulator, episodes, ctx.seed or 0, tell=ctx.progress)
    settings = asdict(emulator.protocol)
    ctx.note(
        episodes=episodes,
        actions=emulator.actions,
        scores=scores,
        **{k: settings[k] for k in ("skip", "noops", "limit")},
    )
    return mean_and_error(scores)[0]


@experiment("sb3_{task}", tier="quick", seeds=10, artifacts=("sb3_dqn_{task}",), over={"task": tuple(TASKS)})
def trained_by_others(ctx: Context, task: str) -> dict[str, float]:
    """Score RL-Zoo's DQN agent, always its best action."""
    parameters = part(read_policy(next(iter(ctx.files(f"sb3_dqn_{task}").values()))), "q_net.q_net.")
    name, episodes = TASKS[task]
    environments = Tasks(name, 10)
    ctx.note(episodes=episodes)
    network = VectorNetwork(environments.shape[0], environments.actions)
    network.layers.load_state_dict(parameters)
    scores = play(environments, greedy(network, 0.0, ctx.seed or 0, torch.device("cpu")), episodes, ctx.seed or 0)
    return {f"sb3_{task}": mean_and_error(scores)[0]}


# RL-Zoo's hyperparameters for DQN on CartPole-v1; its loss is clipped and averaged, its target copied each cycle.
CARTPOLE = Recipe(
    steps=50_000,
    environments=1,
    memory=100_000,
    batch=64,
    begin=1_000,
    update_every=256,
    updates=128,
    explore=7_000,
    epsilon=0.04,
    rule=Rule(target_every=128, reduction="mean", clip_norm=10.0),
    optimiser="adam",
    learning_rate=2.3e-3,
    eps=1e-8,
    stack=1,
    clip_rewards=False,
    lives=False,
    evaluate_every=5_000,
    evaluate_epsilon=0.0,
    best=True,
)


@experiment("cartpole", tier="slow", seeds=5)
def cartpole(ctx: Context) -> dict[str, float]:
    """Train on CartPole-v1 by RL-Zoo's settings, with Adam; the best network of the curve over 100 episodes."""
    network = train(ctx, lambda count: Tasks("CartPole-v1", count), VectorNetwork(4, 2), CARTPOLE)
    policy = greedy(network, 0.0, ctx.seed or 0, ctx.device)
    return {"cartpole": mean_and_error(play(Tasks("CartPole-v1", 10), policy, 100, ctx.seed or 0))[0]}


# Section 5 of 2013. Its frames are read as agent steps, as 2015 counts them. Not printed, and taken from 2015: learning
# rate and constants of RMSProp, four steps an update, random play before the first one.
PAPER_2013 = Recipe(steps=10_000_000, rule=Rule(target_every=None, clip_error=False), lives=False)

# Methods and Extended Data Table 1 of 2015. Scores are of the best network along the curve.
PAPER_NATURE = Recipe(steps=50_000_000, evaluate_every=1_000_000, best=True)

# Neither paper's: Adam, the squared error and a target network, with Dopamine's constants; it learns from fewer steps.
ADAM = Recipe(
    begin=20_000,
    explore=250_000,
    epsilon=0.01,
    rule=Rule(target_every=2_000, clip_error=False, reduction="mean"),
    optimiser="adam",
    learning_rate=6.25e-5,
    eps=1.5e-4,
    lives=False,
)
# Agent steps: more than Dopamine's five-seed curves need to pass the number of 2013, where they pass it.
ADAM_STEPS = {
    "enduro": 1_500_000,
    "beam_rider": 2_000_000,
    "space_invaders": 2_000_000,
    "qbert": 6_000_000,
    "seaquest": 8_000_000,
    "breakout": 10_000_000,
    "pong": 10_000_000,
}


@experiment("{game}_2013", tier="full", seeds=1, subjects=(AGENT_2013,), over={"game": GAMES})
def trained_2013(ctx: Context, game: str) -> dict[str, float]:
    """Train on a game by the paper of 2013, 10 million agent steps, and score it at epsilon 0.05.

    Differs from the paper: 1. eight environments step together, 32 on a GPU. 2. Scored on 30 episodes, not a number of
    steps.
    """
    environments = playing_atari(game, 10)
    network = scored_network(ctx, game, environments, lambda count: playing_atari(game, count), PAPER_2013)
    return {f"{game}_2013": scored(ctx, environments, network, EPISODES)}


@experiment("{game}_nature", tier="full", seeds=1, subjects=(AGENT_NATURE,), over={"game": GAMES})
def trained_nature(ctx: Context, game: str) -> dict[str, float]:
    """Train on a game by the paper of 2015, 50 million agent steps, and score its best network at epsilon 0.05.

    Differs from the paper: 1. eight environments step together, 32 on a GPU. 2. The best network is chosen on 10
    episodes a point.
    """
    environments = nature(game, 10, minutes=5)
    network = scored_network(ctx, game, environments, lambda count: nature(game, count), PAPER_NATURE)
    return {f"{game}_nature": scored(ctx, environments, network, EPISODES)}


@experiment("{game}_adam", tier="full", seeds=1, subjects=(AGENT_2013,), over={"game": GAMES})
def trained_adam(ctx: Context, game: str) -> dict[str, float]:
    """Train the network of 2013 with Adam and a target network, and score it at epsilon 0.05 as 2013 does."""
    environments = playing_atari(game, 10)
    recipe = replace(ADAM, steps=ADAM_STEPS[game])
    network = scored_network(ctx, game, environments, lambda count: playing_atari(game, count), recipe)
    return {f"{game}_adam": scored(ctx, environments, network, EPISODES)}


@experiment("{game}_agent", tier="slow", seeds=10, artifacts=("agent_{game}",), over={"game": AGENTS})
def committed_agent(ctx: Context, game: str) -> dict[str, float]:
    """Score an agent that was trained here and committed, at epsilon 0.05 as 2013 does, on six episodes a seed."""
    environments = playing_atari(game, 6)
    path = next(iter(ctx.files(f"agent_{game}").values()))
    facts = facts_of(path)
    ctx.note(steps=facts["steps"], trained_by=facts["command"])
    network = network_of(path, environments.actions)
    return {f"{game}_agent": scored(ctx, environments, network.to(ctx.device), 6)}


def scored_network(ctx: Context, game: str, environments: Any, make: Any, recipe: Recipe) -> Any:
    """Return what is scored: the user's policy as it is, or a network after its training, which is kept."""
    build = ctx.subject("dqn")
    if hasattr(build, "policy"):
        return build.policy(game, environments.actions)
    if ctx.device.type == "cuda":  # which is fast enough for more of them, and to wait for each beginning of an episode
        recipe = replace(recipe, environments=max(ON_A_GPU, recipe.environments))
        network = train(ctx, lambda count: SparedAtari(lambda: make(1), count), build(environments.actions), recipe)
    else:
        network = train(ctx, make, build(environments.actions), recipe)
    keep(ctx, "weights", network)
    return network
