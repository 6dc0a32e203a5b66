"""All strategies that are ranked, as they search NAS-Bench-201.

Only the ranking and the pictures read this: who joins moves no other record than the ranking's.
"""

from collections.abc import Callable
from typing import Any

from dmbench.experiments import _nas_settings as settings
from dmbench.nas.bayesian_optimization import BayesianOptimization
from dmbench.nas.hill_climbing import HillClimbing
from dmbench.nas.ppo import PPO
from dmbench.nas.random_search import RandomSearch
from dmbench.nas.regularized_evolution import RegularizedEvolution
from dmbench.nas.reinforce import Reinforce

STRATEGIES: dict[str, Callable[..., Any]] = {
    "random_search": RandomSearch,
    "regularized_evolution": RegularizedEvolution,
    "non_aging": settings.non_aging,
    "hill_climbing": HillClimbing,
    "first_improvement": settings.first_improvement,
    "reinforce": Reinforce,
    "ppo": PPO,
    "q_learning": settings.q_learning,
    "mcts": settings.tree_search,
    "ucb": settings.ucb,
    "thompson": settings.thompson,
    "bayesian_optimization": BayesianOptimization,
}
