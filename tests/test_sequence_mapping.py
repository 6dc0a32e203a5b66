"""Wirings: torch's packed sequences, each sequence as if alone, feedback, teacher forcing, gradients, errors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence

from dmbench import check
from dmbench.harness.errors import ContractError
from dmbench.models.sequence_mapping import UNITS, ManyToMany, ManyToOne, OneToMany, SequenceToSequence, read
from dmbench.peers.sequence_mapping import LAYERS

few = settings(deadline=None, max_examples=15, derandomize=True)
EVERY_UNIT = pytest.mark.parametrize("unit", sorted(UNITS))


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def made(kind, unit="lstm", *sizes, **options):
    torch.manual_seed(0)
    return kind(unit, *(sizes or (3, 4, 2)), **options).double()


def tensors(state):
    return [state] if isinstance(state, torch.Tensor) else list(state)


@few
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.sampled_from(sorted(LAYERS)), st.booleans())
def test_reading_to_each_end_is_what_torch_does_with_packed_sequences(lengths, unit, start):
    mine, theirs = UNITS[unit](3, 4).double(), LAYERS[unit](3, 4).double()
    mine.load_state_dict(theirs.state_dict())
    x, ends = noise(6, len(lengths), 3), torch.tensor(lengths)
    first = tuple(noise(1, len(lengths), 4) + k for k in range(2 if unit == "lstm" else 1))
    state = None if not start else first if unit == "lstm" else first[0]
    y, after = read(mine, x, ends, state)
    packed, expected = theirs(pack_padded_sequence(x, ends, enforce_sorted=False), state)
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, total_length=6)
    torch.testing.assert_close(y, padded, rtol=0, atol=1e-14)
    for one, other in zip(tensors(after), tensors(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


@EVERY_UNIT
def test_a_sequence_in_a_batch_is_read_as_if_alone(unit):
    x, lengths = noise(6, 3, 3), torch.tensor([2, 6, 4])
    one, many, writes = (made(kind, unit) for kind in (ManyToOne, ManyToMany, SequenceToSequence))
    for b, end in enumerate(lengths.tolist()):
        alone = x[:end, b : b + 1]
        torch.testing.assert_close(one(x, lengths)[b], one(alone)[0], rtol=0, atol=1e-14)
        torch.testing.assert_close(many(x, lengths)[:end, b], many(alone)[:, 0], rtol=0, atol=1e-14)
        torch.testing.assert_close(writes(x, 3, lengths)[:, b], writes(alone, 3)[:, 0], rtol=0, atol=1e-14)


def test_nothing_beyond_an_end_is_read_or_comes_out():
    x, lengths = noise(6, 3, 3), torch.tensor([2, 5, 4])
    net = made(ManyToMany)
    spoilt = x.clone()
    for b, end in enumerate(lengths.tolist()):
        spoilt[end:, b] = torch.nan
    out = net(spoilt, lengths)
    assert torch.equal(out, net(x, lengths))
    assert not out[2:, 0].any()
    assert not out[5:].any()


def test_many_to_one_is_the_last_of_many_to_many():
    x = noise(5, 2, 3)
    one, many = made(ManyToOne), made(ManyToMany)
    torch.testing.assert_close(one(x), many(x)[-1], rtol=0, atol=0)


@EVERY_UNIT
def test_one_to_many_feeds_its_outputs_back(unit):
    net = made(OneToMany, unit, 2, 4, 2, back=torch.tanh)
    x = noise(3, 2)
    written = net(x, 4)
    again = net(x, 4, given=written[:-1].tanh())  # teacher forcing with its own words
    torch.testing.assert_close(written, again, rtol=0, atol=1e-14)


def test_one_to_many_without_feedback_reads_zeros():
    net, x = made(OneToMany), noise(2, 3)
    torch.testing.assert_close(net(x, 4), net(x, 4, given=torch.zeros(3, 2, 3).double()), rtol=0, atol=0)


def test_a_sequence_to_sequence_writes_from_the_last_state_alone():
    net, x = made(SequenceToSequence), noise(5, 2, 3)
    _, state = net.reader(x)
    torch.testing.assert_close(net(x, 3), net.writer(torch.zeros(2, 2).double(), 3, state), rtol=0, atol=0)


@pytest.mark.parametrize("unit", ["rnn", "rnn_relu", "rnn_identity"])
def test_gradients_are_those_of_differences(unit):
    many, writes = made(ManyToMany, unit), made(SequenceToSequence, unit)
    x, lengths = noise(4, 3, 3).requires_grad_(), torch.tensor([2, 4, 1])
    assert torch.autograd.gradcheck(lambda given: many(given, lengths), x)
    assert torch.autograd.gradcheck(lambda given: writes(given, 2, lengths), x)


def test_what_does_not_fit_is_refused():
    net, x = made(ManyToOne), noise(4, 3, 3)
    for lengths, message in (
        (torch.tensor([1, 2]), r"need 3 lengths, int64: \(2,\), torch.int64"),
        (torch.tensor([1.0, 2, 3]), r"need 3 lengths, int64: \(3,\), torch.float32"),
        (torch.tensor([1, 0, 3]), r"lengths go from 1 to 4, the steps there are: \[1, 0, 3\]"),
        (torch.tensor([1, 5, 3]), r"lengths go from 1 to 4, the steps there are: \[1, 5, 3\]"),
    ):
        with pytest.raises(ValueError, match=message):
            net(x, lengths)
    with pytest.raises(ValueError, match="a bidirectional layer reads from the end"):
        read(torch.nn.LSTM(3, 4, bidirectional=True), x.float(), torch.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match="unit must be one of rnn, .*: elman"):
        ManyToOne("elman", 1, 1, 1)
    with pytest.raises(ValueError, match="at least 1: 1, 0, 1"):
        OneToMany("rnn", 1, 0, 1)
    with pytest.raises(ValueError, match="need at least 1 step.*: 0, nothing"):
        made(OneToMany)(noise(2, 3), 0)
    with pytest.raises(ValueError, match="one later input less than steps: 4, 4 later inputs"):
        made(OneToMany)(noise(2, 3), 4, given=noise(4, 2, 3))


class Padded(ManyToMany):
    """Reads on beyond the ends."""

    def forward(self, x, lengths=None, state=None):
        return super().forward(x, None, state)


def test_a_mapping_that_reads_beyond_the_ends_is_refused():
    with pytest.raises(ContractError, match="beyond a sequence's end"):
        check("sequence_mapping", many_to_many=Padded)
