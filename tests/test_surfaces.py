"""The optimisers' surfaces, Adam's logistic regression, and their pictures: by floats, by hand, and in short."""

import math

import pytest
import torch
from torch import nn

from dmbench.experiments import _adam_training as training
from dmbench.experiments import _sgd_pictures as pictures
from dmbench.experiments import _surfaces as surfaces
from dmbench.experiments._digits_training import Digits
from dmbench.experiments._optimisers import unlike_coordinates
from dmbench.optim.adam import Adam
from dmbench.optim.sgd import SGD


@pytest.mark.parametrize(("weight", "bias"), [(4.5, -2.2), (4.5, -2.4), (0.0, 1.0)])
def test_the_cliff_is_a_recurrent_unit_of_fifty_steps(weight, bias):
    x = 0.5
    for _ in range(50):
        x = weight / (1 + math.exp(-x)) + bias
    expected = (1 / (1 + math.exp(-x)) - 0.7) ** 2
    assert float(surfaces.cliff(torch.tensor([weight, bias], dtype=torch.float64))) == pytest.approx(
        expected, abs=1e-13
    )


def test_valley_and_saddle_have_the_curvatures_that_they_say():
    place = torch.zeros(2, dtype=torch.float64)
    for surface, curvatures in ((surfaces.valley, [1, 100]), (surfaces.saddle, [1, -1])):
        hessian = torch.autograd.functional.hessian(surface, place)
        torch.testing.assert_close(hessian, torch.diag(torch.tensor(curvatures, dtype=torch.float64)), rtol=0, atol=0)


def test_coordinates_of_a_valley_come_apart_under_plain_descent_and_with_an_eps():
    assert unlike_coordinates(SGD, {"lr": 0.01}) > 0.3
    assert unlike_coordinates(Adam, {"lr": 0.05, "eps": 1.0}) > 0.01
    assert unlike_coordinates(Adam, {"lr": 0.05, "eps": 0.0}) < 1e-13


def test_a_clipped_optimiser_steps_no_further_than_its_bound():
    begin = (4.5, -2.2842)  # beside the wall
    way = (SGD, {"lr": 1.0}, 5)
    path = torch.cat([torch.tensor([begin]), pictures.walked(surfaces.cliff, way, begin, "clipped")])
    assert float((path[1:] - path[:-1]).norm(dim=1).max()) <= pictures.THETA + 1e-12


def test_a_picture_has_a_line_for_each_optimiser_on_both_sides():
    few = {name: (build, options, 2) for name, (build, options, _) in pictures.SADDLE.items()}
    plan, height = pictures.drawn(surfaces.saddle, few, (1.0, 1e-5), ((-1, 1), (-1, 1)), low=-1.0).axes
    assert len(plan.lines) == len(height.lines) == len(few)


def test_several_optimisers_step_as_one_and_go_on_from_their_state():
    paths = []
    for interrupted in (False, True):
        weights = [torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        both = training.Several([SGD([weights[0]], 0.1, 0.9), Adam([weights[1]], 0.1)])
        for step in range(6):
            if interrupted and step == 3:
                again = training.Several([SGD([weights[0]], 0.5), Adam([weights[1]], 0.5)])
                again.load_state_dict(both.state_dict())
                both = again
            both.zero_grad()
            sum((w**2).sum() for w in weights).backward()
            both.step()
        paths.append(torch.cat(weights).detach())
    torch.testing.assert_close(*paths, rtol=0, atol=0)


def test_cost_is_the_mean_cross_entropy_of_a_linear_classifier():
    net, digits = nn.Linear(784, 10), Digits(torch.rand(4, 1, 28, 28), torch.arange(4))
    nn.init.zeros_(net.weight)
    nn.init.zeros_(net.bias)
    assert training.cost(net, digits) == pytest.approx(math.log(10), abs=1e-6)
