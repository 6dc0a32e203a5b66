"""Cost in bits and wrong bits of sequences: the definition as loops, limits, errors."""

import math

import pytest
import torch

from dmbench.metrics.sequence_bits import bits_per_sequence, wrong_bits


def case(steps=4, batch=3, outputs=2):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(steps, batch, outputs, generator=generator, dtype=torch.float64)
    targets, counted = (torch.randint(2, shape, generator=generator) for shape in (scores.shape, scores.shape[:2]))
    return scores, targets.double(), counted.double()


def test_both_are_the_definition_value_by_value():
    scores, targets, counted = case()
    bits, wrong = bits_per_sequence(scores, targets, counted), wrong_bits(scores, targets, counted)
    for b in range(3):
        expected = mistakes = 0
        for t in range(4):
            for o in range(2):
                p = 1 / (1 + math.exp(-float(scores[t, b, o])))
                answer = float(targets[t, b, o])
                if counted[t, b]:
                    expected -= answer * math.log2(p) + (1 - answer) * math.log2(1 - p)
                    mistakes += (p > 0.5) != (answer == 1)
        assert float(bits[b]) == pytest.approx(expected, abs=1e-13)
        assert int(wrong[b]) == mistakes


def test_no_idea_costs_one_bit_each_and_certainty_nothing_or_much():
    _, targets, _ = case()
    counted = torch.ones(4, 3, dtype=torch.float64)
    assert bits_per_sequence(torch.zeros_like(targets), targets, counted).tolist() == pytest.approx([8, 8, 8])
    sure = 2000 * targets - 1000
    assert bits_per_sequence(sure, targets, counted).tolist() == [0, 0, 0]
    assert bits_per_sequence(-sure, targets, counted).tolist() == pytest.approx([8000 / math.log(2)] * 3)
    assert wrong_bits(-sure, targets, counted).tolist() == [8, 8, 8]


def test_what_is_not_counted_has_no_gradient():
    scores, targets, _ = case()
    counted = torch.tensor([0.0, 0, 1, 1], dtype=torch.float64)[:, None].repeat(1, 3)
    gradient = torch.autograd.grad(bits_per_sequence(scores.requires_grad_(), targets, counted).sum(), scores)[0]
    assert not gradient[:2].any()
    assert gradient[2:].all()


@pytest.mark.parametrize("metric", [bits_per_sequence, wrong_bits])
def test_shapes_that_do_not_fit_and_nothing_counted_are_named(metric):
    scores, targets, counted = case()
    with pytest.raises(ValueError, match=r"of one shape and counted \(T, B\): \(4, 3, 2\), \(4, 3, 1\), \(4, 3\)"):
        metric(scores, targets[..., :1], counted)
    with pytest.raises(ValueError, match=r"\(4, 3, 2\), \(4, 3, 2\), \(4, 2\)"):
        metric(scores, targets, counted[:, :2])
    with pytest.raises(ValueError, match="no time step of 4 is counted"):
        metric(scores, targets, torch.zeros(4, 3))
