"""Text: vocabularies, the two splits, chunks, the published files, errors."""

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.datasets.text import (
    SHAKESPEARE,
    WAR_AND_PEACE,
    Vocabulary,
    chunks,
    joined,
    read_shakespeare,
    read_war_and_peace,
    split_streams,
    split_text,
)

few = settings(deadline=None, max_examples=25, derandomize=True)


@few
@given(st.binary(min_size=1, max_size=60))
def test_decoding_gives_back_what_was_encoded(text):
    vocabulary = Vocabulary(text)
    codes = vocabulary.encode(text)
    assert vocabulary.decode(codes) == text
    assert sorted(set(codes.tolist())) == list(range(len(set(text))))


def test_symbols_are_bytes_in_their_order():
    vocabulary = Vocabulary("hello é")
    assert vocabulary.symbols == bytes([32, 101, 104, 108, 111, 0xA9, 0xC3])
    assert vocabulary.encode("hello").tolist() == [2, 1, 3, 3, 4]


def test_unknown_symbols_and_codes_are_named_and_empty_texts_refused():
    vocabulary = Vocabulary("hello")
    with pytest.raises(ValueError, match=r"symbol b'z' at byte 2 is none of the vocabulary's 4"):
        vocabulary.encode("hezlo")
    with pytest.raises(ValueError, match="the text is empty"):
        vocabulary.encode("")
    with pytest.raises(ValueError, match="an empty text has no symbols"):
        Vocabulary("")
    with pytest.raises(ValueError, match="codes count from 0 to 3: 0 to 4"):
        vocabulary.decode(torch.tensor([0, 4]))


@few
@given(st.integers(1, 4), st.integers(1, 3), st.integers(10, 20), st.integers(0, 11))
def test_streams_lie_in_the_text_as_charrnn_lays_them_and_targets_do_not_overlap(streams, steps, chunk_count, rest):
    length = chunk_count * steps
    codes = torch.arange(streams * length + 1 + min(rest, streams * steps - 1))
    parts = split_streams(codes, streams, steps)
    rows = codes[: streams * length].view(streams, length).T  # the loader's own words: view(batch, -1)
    assert torch.equal(torch.cat([part[:-1] for part in parts]), rows)
    assert torch.equal(torch.cat([part[1:] for part in parts]), rows + 1)
    trained, validated = int(chunk_count * 0.8), int(chunk_count * 0.1)
    sizes = [trained, validated, chunk_count - trained - validated]
    assert [len(part) - 1 for part in parts] == [size * steps for size in sizes]


def test_a_part_joined_is_stream_after_stream():
    parts = split_streams(torch.arange(41), 2, 2)
    assert joined(parts.train).tolist() == [*range(16), *range(20, 36)]
    assert joined(parts.validation).tolist() == [16, 17, 36, 37]
    assert joined(parts.test).tolist() == [18, 19, 38, 39]


def test_the_plain_split_is_the_text_in_three_with_every_target_once():
    parts = split_text(torch.arange(101))
    assert [part.shape for part in parts] == [(81, 1), (11, 1), (11, 1)]
    assert torch.cat([part[1:, 0] for part in parts]).tolist() == list(range(1, 101))


@pytest.mark.parametrize("split", [split_streams, split_text])
def test_texts_too_short_for_three_parts_are_refused(split):
    with pytest.raises(ValueError, match=r"\d symbols are too few for three parts"):
        split(torch.arange(9))
    with pytest.raises(ValueError, match="leave some for the test"):
        split(torch.arange(200_000), shares=(0.9, 0.1))


def test_a_count_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1 stream and 1 step: 0, 100"):
        split_streams(torch.arange(100), 0)
    with pytest.raises(ValueError, match=r"at least 1 step and a part .* of two rows: 5, \(1, 3\)"):
        list(chunks(torch.zeros(1, 3).long(), 5))


def test_chunks_give_every_target_once_the_last_chunk_what_is_left():
    part = torch.arange(16).view(8, 2)
    found = list(chunks(part, 3))
    assert [len(x) for x, _ in found] == [3, 3, 1]
    assert torch.equal(torch.cat([x for x, _ in found]), part[:-1])
    assert torch.equal(torch.cat([y for _, y in found]), part[1:])


def test_only_the_books_own_bytes_are_read(tmp_path):
    path = tmp_path / "book.txt"
    path.write_bytes(b"a" * WAR_AND_PEACE + b"a stranger's text")
    assert read_war_and_peace({"book.txt": path}) == b"a" * WAR_AND_PEACE
    path.write_bytes(b"a" * 10)
    with pytest.raises(ValueError, match=f"10 bytes, of {SHAKESPEARE}; fetch it anew"):
        read_shakespeare({"book.txt": path})
    with pytest.raises(ValueError, match="need one file: none"):
        read_shakespeare({})


@pytest.mark.parametrize(
    ("name", "read", "symbols", "digest"),
    [
        ("war_and_peace", read_war_and_peace, 87, "fb66ba999dafe24017cdd59e04c56d385a9c8466993d374fd4c6f08b2142985e"),
        ("tinyshakespeare", read_shakespeare, 65, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"),
    ],
)
def test_the_texts_are_the_published_ones(artifact, name, read, symbols, digest):
    text = read(artifact(name))
    assert len(Vocabulary(text)) == symbols
    assert hashlib.sha256(text).hexdigest() == digest
