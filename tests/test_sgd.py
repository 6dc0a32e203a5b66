"""sgd: the equations as loops, torch's optimiser, what its conventions mean, rates in closed form, errors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.optim.sgd import SGD
from tests.walks import check_refusals, combinations, slope, start, walk

few = settings(deadline=None, max_examples=20, derandomize=True)
OPTIONS = [
    o
    for o in combinations(
        momentum=[0, 0.9], dampening=[0, 0.3], weight_decay=[0, 0.1], nesterov=[False, True], maximize=[False, True]
    )
    if not o["nesterov"] or (o["momentum"] and not o["dampening"])
]


@few
@given(st.floats(0.01, 0.2), st.floats(0, 0.95), st.floats(0, 0.2), st.booleans())
def test_it_is_the_equations_as_loops(lr, mu, decay, nesterov):
    w, v, path = start().tolist(), None, []
    for _ in range(20):
        g = [a + decay * b for a, b in zip(slope(w), w, strict=True)]
        v = g if v is None else [mu * a + b for a, b in zip(v, g, strict=True)]
        step = [b + mu * a for a, b in zip(v, g, strict=True)] if nesterov and mu else v
        w = [a - lr * b for a, b in zip(w, step, strict=True)]
        path.append(w)
    ours = walk(SGD, 20, {"lr": lr, "momentum": mu, "weight_decay": decay, "nesterov": nesterov and mu > 0})
    torch.testing.assert_close(ours, torch.tensor(path, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_torchs_optimiser_walks_the_same_way(options):
    options = {"lr": 0.05, **options}
    torch.testing.assert_close(walk(SGD, 50, options), walk(torch.optim.SGD, 50, options), rtol=0, atol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sutskevers_form_agrees_at_a_constant_rate(nesterov):
    """v = mu v - lr g(w), or g(w + mu v); w = w + v. Ours stands at w + mu v where it looks ahead."""
    mu, lr, ours = 0.8, 0.1, walk(SGD, 30, {"lr": 0.1, "momentum": 0.8, "nesterov": nesterov})
    w, v = start(), torch.zeros(5, dtype=torch.float64)
    for row in ours:
        seen = w + mu * v if nesterov else w
        v = mu * v - lr * torch.tensor(slope(seen.tolist()), dtype=torch.float64)
        w = w + v
        torch.testing.assert_close(row, w + mu * v if nesterov else w, rtol=0, atol=1e-12)


def test_a_new_rate_scales_all_of_the_velocity():
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    made = SGD([w], lr=1.0, momentum=0.5)
    for rate in (1.0, 0.1):
        made.param_groups[0]["lr"] = rate
        w.grad = torch.ones(1, dtype=torch.float64)
        made.step()
    assert w.item() == pytest.approx(-1 - 0.1 * (0.5 + 1), abs=1e-15)


def test_groups_have_options_of_their_own_and_weights_without_a_gradient_stay():
    a, b, c = (torch.ones(1, requires_grad=True) for _ in range(3))
    made = SGD([{"params": [a, c]}, {"params": [b], "lr": 0.5}], lr=0.1)
    a.grad = b.grad = torch.ones(1)
    made.step()
    torch.testing.assert_close(torch.cat([a, b, c]), torch.tensor([0.9, 0.5, 1.0]))


def test_a_closure_is_called_with_gradients_and_its_loss_returned():
    w = torch.ones(1, requires_grad=True)

    def closure():
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert SGD([w], lr=0.25).step(closure).item() == 1
    assert w.item() == 0.5


def test_it_goes_on_from_a_state_dictionary():
    whole = walk(SGD, 20, {"lr": 0.1, "momentum": 0.9})
    w = start().requires_grad_()
    made = SGD([w], lr=0.1, momentum=0.9)
    for step in range(20):
        if step == 10:
            again = SGD([w], lr=0.5)
            again.load_state_dict(made.state_dict())
            made = again
        w.grad = torch.tensor(slope(w.tolist()), dtype=torch.float64)
        made.step()
    torch.testing.assert_close(w.detach(), whole[-1], rtol=0, atol=1e-12)


def test_options_out_of_range_and_gradients_that_are_not_finite_are_refused():
    check_refusals(SGD)
    w = torch.zeros(1, requires_grad=True)
    with pytest.raises(ValueError, match="momentum must be 0 or more, and finite: -1"):
        SGD([w], momentum=-1)
    for momentum, dampening in ((0, 0), (0.9, 0.1)):
        with pytest.raises(ValueError, match="Nesterov's needs momentum above 0 and no dampening: "):
            SGD([w], momentum=momentum, dampening=dampening, nesterov=True)
