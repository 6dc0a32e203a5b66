"""The neural Turing machine: the equations as loops, both paths, gradients, limits, the LSTM baseline, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import CheckFailed, check
from dmbench.experiments._ntm_subjects import check_address, check_estimator, check_net, check_write
from dmbench.harness.errors import ContractError
from dmbench.models.ntm import NTM, Memory
from dmbench.models.parts.deep_lstm import DeepLSTM, count
from dmbench.models.parts.ntm_addressing import address, focus_by_content, read, sharpen, shift, write

few = settings(deadline=None, max_examples=8, derandomize=True)
heads = st.integers(1, 3)
PATHS = pytest.mark.parametrize("fused", [False, True])


def machine(controller="feedforward", layers=1, fused=True, seed=0, **sizes):
    torch.manual_seed(seed)
    memory = Memory(**({"locations": 6, "width": 3} | sizes))
    net = NTM(4, 2, 5, controller, layers, memory, fused=fused).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return net


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)), dtype=torch.float64)


def logistic(a):
    return 1 / (1 + math.exp(-a))


def softplus(a):
    return math.log1p(math.exp(a))


def softmax(values):
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def cosine(u, v):
    return sum(a * b for a, b in zip(u, v, strict=True)) / math.sqrt(sum(a * a for a in u) * sum(b * b for b in v))


def affine(layer, values):
    rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    return [sum(w * value for w, value in zip(row, values, strict=True)) + b for row, b in rows]


def addressed(memory, w_tm1, k, beta, g, s, gamma):
    """Equations 5 to 9 of one head, index by index."""
    count, reach = len(memory), len(s) // 2
    content = softmax([beta * cosine(k, row) for row in memory])
    gated = [g * c + (1 - g) * w for c, w in zip(content, w_tm1, strict=True)]
    moved = [sum(gated[(n - r) % count] * s[reach + r] for r in range(-reach, reach + 1)) for n in range(count)]
    powers = [w**gamma for w in moved]
    return [power / sum(powers) for power in powers]


def as_printed(net, x):
    """One sequence x (T, I) through a machine with a feedforward controller, value by value."""
    size = net.memory
    memory, reads = net.first_memory.tolist(), net.first_reads.tolist()
    w = [softmax(scores) for scores in net.first_scores.tolist()]
    outputs = []
    for x_t in x:
        h = [math.tanh(a) for a in affine(net.controller.layer, [*x_t, *reads])]
        emitted = iter(affine(net.heads, h))

        def take(rows, columns, emitted=emitted):
            return [[next(emitted) for _ in range(columns)] for _ in range(rows)]

        k, beta, g, gamma = take(size.heads, size.width), *(take(size.heads, 1) for _ in range(3))
        s, e, a = take(size.heads, size.shifts), take(size.write_heads, size.width), take(size.write_heads, size.width)
        w = [
            addressed(
                memory, w[i], k[i], softplus(beta[i][0]), logistic(g[i][0]), softmax(s[i]), 1 + softplus(gamma[i][0])
            )
            for i in range(size.heads)
        ]
        writing = range(size.write_heads)
        for n, row in enumerate(memory):
            for m in range(size.width):
                for i in writing:
                    row[m] *= 1 - w[size.read_heads + i][n] * logistic(e[i][m])
                for i in writing:
                    row[m] += w[size.read_heads + i][n] * a[i][m]
        reads = [
            sum(w[i][n] * memory[n][m] for n in range(size.locations))
            for i in range(size.read_heads)
            for m in range(size.width)
        ]
        outputs.append(affine(net.output, [*h, *reads]))
    return outputs, memory


@few
@given(heads, heads, st.integers(0, 2), st.booleans())
def test_the_machine_is_the_equations_value_by_value(readers, writers, reach, fused):
    net = machine(fused=fused, read_heads=readers, write_heads=writers, reach=reach)
    x = noise(3, 2, 4)
    y, state = net(x)
    for b in range(2):
        outputs, memory = as_printed(net, x[:, b].tolist())
        expected = torch.tensor(outputs, dtype=torch.float64)
        torch.testing.assert_close(y[:, b].detach(), expected, rtol=0, atol=1e-12)
        expected = torch.tensor(memory, dtype=torch.float64)
        torch.testing.assert_close(state.memory[b].detach(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
@pytest.mark.parametrize("sizes", [{}, {"read_heads": 2, "write_heads": 3, "reach": 2}, {"reach": 0}])
def test_the_fused_path_and_the_equations_agree_also_in_their_gradients(controller, sizes):
    both = []
    for fused in (True, False):
        net = machine(controller, fused=fused, **sizes)
        x = noise(5, 3, 4).requires_grad_()
        y, state = net(x)
        outputs = [y, *state[:3], *state.controller]
        inputs = [x, *net.parameters()]
        found = torch.autograd.grad(outputs, inputs, [noise(*one.shape) for one in outputs])
        both.append([one.detach() for one in (*outputs, *found)])
    for mine, his in zip(*both, strict=True):
        torch.testing.assert_close(mine, his, rtol=1e-9, atol=1e-10)


@PATHS
@pytest.mark.parametrize("writers", [1, 2])
def test_gradients(fused, writers):
    net = machine(fused=fused, locations=4, width=2, write_heads=writers)
    leaves = [noise(2, 4, 2), noise(2, 1 + writers, 4).softmax(-1), noise(2, net.memory.emitted)]
    leaves = [leaf.requires_grad_() for leaf in leaves]
    assert torch.autograd.gradcheck(net.step, leaves)
    assert torch.autograd.gradcheck(lambda x: net(x)[0], (noise(2, 1, 4).requires_grad_(),))


def test_the_fused_path_refuses_a_second_derivative_and_the_equations_have_one():
    x = noise(2, 1, 4).requires_grad_()
    with pytest.raises(RuntimeError, match="no second derivative: build the layer with fused=False"):
        torch.autograd.grad(machine()(x)[0].sum(), x, create_graph=True)
    net = machine(fused=False, locations=3, width=2)
    assert torch.autograd.gradgradcheck(lambda x: net(x)[0], (noise(1, 1, 4).requires_grad_(),))


@PATHS
def test_a_sequence_can_be_run_in_parts_and_each_whole_one_begins_anew(fused):
    for controller, layers in (("feedforward", 1), ("lstm", 2)):
        net, x = machine(controller, layers, fused), noise(6, 2, 4)
        whole, last = net(x)
        first, state = net(x[:4])
        second, state = net(x[4:], state)
        torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-13)
        torch.testing.assert_close(state.memory, last.memory, rtol=0, atol=1e-13)
        torch.testing.assert_close(net(x)[0], whole, rtol=0, atol=0)  # nothing is left of the sequence before


def test_a_sequence_does_not_see_its_neighbours_in_the_batch():
    net, x = machine("lstm"), noise(4, 3, 4)
    for b in range(3):
        torch.testing.assert_close(net(x)[0][:, b], net(x[:, b : b + 1])[0][:, 0], rtol=0, atol=1e-13)


def test_what_is_watched_is_each_state_and_weightings_sum_to_one():
    seen = []
    _, last = machine(read_heads=2)(noise(5, 2, 4), watch=seen.append)
    assert len(seen) == 5
    torch.testing.assert_close(seen[-1].memory, last.memory, rtol=0, atol=0)
    for state in seen:
        assert float(state.w.detach().min()) >= 0
        torch.testing.assert_close(state.w.sum(-1), torch.ones(2, 3, dtype=torch.float64), rtol=0, atol=1e-14)


@pytest.mark.parametrize("gate", [0.0, 1.0])
def test_a_gate_takes_what_came_before_or_what_content_says(gate):
    memory, w, k = noise(1, 6, 3), noise(1, 2, 6).softmax(-1), noise(1, 2, 3)
    one = torch.ones(1, 2, 1, dtype=torch.float64)
    s = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand(1, 2, 3)
    found = address(memory, w, k, 3 * one, gate * one, s, one)
    expected = focus_by_content(memory, k, 3 * one) if gate else w
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


def test_a_whole_shift_rotates_forward_round_the_end():
    w = torch.tensor([[[0.1, 0.2, 0.3, 0.4]]])
    assert shift(w, torch.tensor([[[0.0, 0.0, 1.0]]])).flatten().tolist() == pytest.approx([0.4, 0.1, 0.2, 0.3])
    assert shift(w, torch.tensor([[[1.0, 0.0, 0.0]]])).flatten().tolist() == pytest.approx([0.2, 0.3, 0.4, 0.1])


def test_sharpening_does_not_underflow_and_leaves_a_uniform_weighting():
    w = torch.full((1, 1, 128), 1 / 128)
    torch.testing.assert_close(sharpen(w, torch.tensor([[[500.0]]])), w)


def test_content_is_finite_beside_an_empty_row_and_an_empty_key():
    memory = torch.zeros(1, 3, 2, dtype=torch.float64).requires_grad_()
    k = torch.zeros(1, 1, 2, dtype=torch.float64).requires_grad_()
    for key, rows in ((k, noise(1, 3, 2)), (noise(1, 1, 2), memory), (k, memory)):
        w = focus_by_content(rows, key, torch.ones(1, 1, 1, dtype=torch.float64))
        torch.testing.assert_close(w, torch.full_like(w, 1 / 3), rtol=0, atol=1e-15)
        found = torch.autograd.grad(w[..., 0].sum(), [one for one in (key, rows) if one.requires_grad])
        assert all(bool(torch.isfinite(one).all()) for one in found)


@PATHS
def test_a_machine_of_an_empty_memory_has_finite_gradients(fused):
    net = machine(fused=fused)
    with torch.no_grad():
        net.first_memory.zero_()
    found = torch.autograd.grad(net(noise(4, 2, 4))[0].sum(), list(net.parameters()))
    assert all(bool(torch.isfinite(one).all()) for one in found)


def test_all_heads_erase_before_any_adds():
    memory, w = noise(1, 4, 3), torch.tensor([[[0.0, 1, 0, 0], [0, 1, 0, 0]]], dtype=torch.float64)
    a = noise(1, 2, 3)
    after = write(memory, w, torch.ones_like(a), a)
    torch.testing.assert_close(after[0, 1], a.sum(1)[0], rtol=0, atol=1e-15)
    torch.testing.assert_close(after[0, 0], memory[0, 0], rtol=0, atol=0)
    torch.testing.assert_close(read(after, w)[0, 0], after[0, 1], rtol=0, atol=0)


def test_learning_begins_with_a_small_memory_and_blurred_weightings():
    torch.manual_seed(0)
    state = NTM(4, 2).first(3)
    assert state.memory.shape == (3, 128, 20)
    assert state.w.shape == (3, 2, 128)
    assert 0.09 < float(state.memory.detach().abs().max()) <= 0.1
    assert float(state.w.detach().max()) < 0.2
    for part in (state.memory, state.w, state.reads):
        torch.testing.assert_close(part[0], part[2], rtol=0, atol=0)


def test_the_lstm_baseline_is_torchs_layers_with_the_connections_past_them():
    torch.manual_seed(0)
    net = DeepLSTM(4, 2, 5).double()
    x, start = noise(6, 3, 4), noise(3, 2, 1, 5)
    with torch.no_grad():
        net.start.copy_(start)
    outputs = []
    for index, layer in enumerate(net.layers):
        theirs = torch.nn.LSTM(4 + 5 * (index > 0), 5).double()
        theirs.load_state_dict(layer.state_dict())
        before = tuple(one.expand(1, 3, 5).contiguous() for one in start[index][:, :, None][:, 0])
        outputs.append(theirs(torch.cat([x, *outputs[-1:]], -1), before)[0])
    y, state = net(x)
    torch.testing.assert_close(y, net.output(torch.cat(outputs, -1)), rtol=0, atol=1e-13)
    parts = torch.cat([net(x[:2])[0], net(x[2:], net(x[:2])[1])[0]])
    torch.testing.assert_close(parts, y, rtol=0, atol=1e-13)
    assert len(state) == 3


def test_a_count_has_one_bias_for_each_gate():
    assert count(DeepLSTM(1, 1, 2, 1)) == 4 * 2 * (1 + 2 + 1) + 2 * 2 + 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Memory(read_heads=0), "need read_heads of at least 1: 0"),
        (lambda: Memory(write_heads=0), "need write_heads of at least 1: 0"),
        (lambda: Memory(locations=0), "need locations of at least 1: 0"),
        (lambda: Memory(width=0), "need width of at least 1: 0"),
        (lambda: Memory(reach=-1), "need a reach of at least 0: -1"),
        (lambda: Memory(locations=4, reach=2), "odd number of shifts, at most 4, the memory's locations: 5"),
        (lambda: shift(torch.ones(1, 1, 8), torch.ones(1, 1, 2)), "odd number of shifts, at most 8.*: 2"),
        (lambda: NTM(0, 2), "outputs, hidden and layers of at least 1: 0, 2, 100, 1"),
        (lambda: NTM(1, 2, controller="gru"), "controller must be one of feedforward, lstm: gru"),
        (lambda: NTM(1, 2, layers=2), "a feedforward controller has one layer: 2"),
        (lambda: NTM(4, 2)(torch.zeros(0, 1, 4)), r"shape \(T, B, 4\), T at least 1: \(0, 1, 4\)"),
        (lambda: NTM(4, 2)(torch.zeros(3, 1, 5)), r"shape \(T, B, 4\), T at least 1: \(3, 1, 5\)"),
        (lambda: NTM(4, 2)(torch.zeros(3, 4)), r"shape \(T, B, 4\), T at least 1: \(3, 4\)"),
        (lambda: DeepLSTM(1, 1, 0), "need inputs, outputs, hidden and layers of at least 1: 1, 1, 0, 3"),
    ],
)
def test_what_cannot_be_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_contracts_refuse_what_does_not_fit():
    with pytest.raises(ContractError, match="returned Tensor with"):
        check_net(lambda i, o, *_: torch.nn.Linear(i, o))
    with pytest.raises(ContractError, match=r"returned shape \(2, 5\), not \(2, 1, 5\)"):
        check_address(lambda memory, *_: memory[..., 0])
    with pytest.raises(ContractError, match=r"returned shape \(2, 1, 3\), not \(2, 5, 3\)"):
        check_write(lambda memory, w, e, a: a)
    with pytest.raises(ContractError, match=r"not \(4, 2\), or no probabilities"):
        check_estimator(lambda bits: bits)
    with pytest.raises(ContractError, match=r"not \(4, 2\), or no probabilities"):
        check_estimator(lambda bits: bits[5:])


def test_a_shift_that_is_reversed_is_found_by_the_numbers():
    def reversed_shift(memory, w_tm1, k, beta, g, s, gamma):
        return address(memory, w_tm1, k, beta, g, s.flip(-1), gamma)

    with pytest.raises(CheckFailed, match="ntm/rotation below"):
        check("ntm", numbers="rotation*", address=reversed_shift)
