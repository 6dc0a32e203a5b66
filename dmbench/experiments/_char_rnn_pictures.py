"""Figures of a character model: what it writes at each temperature, and a cell while it reads.

The weights are those that training leaves in kept/; the symbols that they are about stand in the file's metadata.
"""

from pathlib import Path
from textwrap import wrap
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from dmbench.datasets.text import Vocabulary, read_war_and_peace, split_streams
from dmbench.experiments._char_rnn_training import load
from dmbench.harness.experiment import Context, picture
from dmbench.models.char_rnn import CharRNN, sample

WEIGHTS = "char_lstm_1x128"
PRIME = "The princess looked at "
TEMPERATURES = (0.0, 0.5, 1.0, 1.5)
LETTER: dict[str, Any] = {"family": "monospace", "fontsize": 7.5, "ha": "center", "va": "center", "parse_math": False}
LOOKED = 1500  # characters of each stream by which a cell is chosen
PASSAGE = 520
WIDTH, ROWS = 104, 5  # characters a line and lines a block of a figure


@picture(WEIGHTS)
def temperatures(ctx: Context) -> Figure:
    """What the LSTM with 128 units writes after "The princess looked at ", by temperature.

    At 0 it takes the likeliest character and soon repeats itself; at 1 it draws from its own distribution; above, words
    fall apart. Lines are broken anew.
    """
    net, vocabulary = read(ctx)
    prime = vocabulary.encode(PRIME)[:, None]
    figure = Figure(figsize=(8.6, 4.8))
    for place, temperature in enumerate(TEMPERATURES):
        generator = torch.Generator().manual_seed(0)
        written = sample(net, prime, WIDTH * ROWS, temperature, generator)[:, 0]
        lines = wrap(PRIME + shown(vocabulary.decode(written)), WIDTH)[:ROWS]
        top = 0.97 - place * 0.245
        figure.text(0.02, top, f"temperature {temperature:g}", fontsize=10, weight="bold", va="top")
        figure.text(0.02, top - 0.042, "\n".join(lines), family="monospace", fontsize=9, va="top", parse_math=False)
    return figure


@picture(WEIGHTS, "war_and_peace")
def quote_cell(ctx: Context) -> Figure:
    """A cell of the LSTM that knows whether a speech goes on: blue where tanh(c) is near one end, red near the other.

    Of 128 cells it is the one that goes most with being inside quotation marks; r is the correlation, on other
    passages of the test part. The paper also shows a cell that counts the place in the line: here none does.
    """
    net, vocabulary = read(ctx)
    streams = split_streams(vocabulary.encode(read_war_and_peace(ctx.files("war_and_peace")))).test
    newline, quote = (int(vocabulary.encode(symbol)[0]) for symbol in ("\n", '"'))
    looked = streams[:LOOKED, :20]
    states = cell_states(net, looked)
    r = correlation(states, inside(looked, quote))
    place = correlation(states, line_place(looked, newline))
    best = int(r.abs().argmax())
    passage = _passage(streams[:, 20:], quote, PASSAGE)
    figure = Figure(figsize=(8.6, 3.6), layout="constrained")
    axes = figure.subplots()
    found, other = float(r[best].abs()), float(place.abs().max())
    title = f"cell {best}: |r| = {found:.2f} (place in the line: no cell above {other:.2f})"
    axes.set_title(title, fontsize=10, loc="left")
    _coloured(axes, vocabulary.decode(passage), cell_states(net, passage[:, None])[:, 0, best] * r[best].sign())
    return figure


def show(
    folder: Path, prime: str = PRIME, temperature: str = "0.5", length: str = "1000", seed: str = "0"
) -> list[Path]:
    """Write a text of `length` characters after `prime` into the folder, by the committed network; return its place.

    Raises:
        ValueError: a number that is none, or a prime with symbols that War and Peace has not.
    """
    from dmbench.harness.artifacts import Store

    (weights,) = Store.from_environment().files(WEIGHTS).values()
    net, vocabulary = load(weights)
    generator = torch.Generator().manual_seed(int(seed))
    written = sample(net, vocabulary.encode(prime)[:, None], int(length), float(temperature), generator)[:, 0]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"char_rnn_temperature_{float(temperature):g}.txt"
    path.write_bytes(prime.encode() + vocabulary.decode(written))
    return [path]


def read(ctx: Context) -> tuple[CharRNN, Vocabulary]:
    """Return the committed network and its vocabulary."""
    (path,) = ctx.files(WEIGHTS).values()
    return load(path)


@torch.no_grad()
def cell_states(net: CharRNN, x: Tensor) -> Tensor:
    """Return tanh(c) of the top layer after each symbol of x (T, B): (T, B, H)."""
    state, found = None, []
    for x_t in x:
        _, state = net(x_t[None], state)
        found.append(state[-1][1][0].tanh())
    return torch.stack(found)


def line_place(x: Tensor, newline: int) -> Tensor:
    """Return how many symbols came since the last line break, (T, B)."""
    place, found = torch.zeros_like(x[0]), []
    for x_t in x:
        place = torch.where(x_t == newline, 0, place + 1)
        found.append(place)
    return torch.stack(found).double()


def inside(x: Tensor, quote: int) -> Tensor:
    """Return 1 after an odd number of quotation marks and 0 elsewhere, (T, B)."""
    return ((x == quote).cumsum(0) % 2).double()


def correlation(states: Tensor, feature: Tensor) -> Tensor:
    """Return the correlation of each cell with a feature: states (T, B, H), feature (T, B), to (H)."""
    a, b = states.flatten(0, 1).double(), feature.flatten()
    a, b = a - a.mean(0), b - b.mean()
    return (a * b[:, None]).sum(0) / (a.square().sum(0) * b.square().sum()).sqrt().clamp(min=1e-12)


def shown(text: bytes) -> str:
    """Return a text on one line, to be broken anew."""
    return " ".join(text.decode(errors="replace").split())


def _passage(streams: Tensor, quote: int, length: int) -> Tensor:
    """Return the first symbols of the stream with most quotation marks among them, (length)."""
    first = streams[:length]
    return first[:, int((first == quote).sum(0).argmax())]


def _coloured(axes: Axes, text: bytes, values: Tensor) -> None:
    """Write a text as it is broken, each character on the colour of its value in [-1, 1]."""
    axes.set_axis_off()
    row, column, last = 0, 0, 0
    for symbol, value in zip(text.decode("latin-1"), values.tolist(), strict=True):
        if symbol == "\n":
            row, column = row + 1, 0
        elif symbol != "\r":
            colour = (0.12, 0.47, 0.71) if value > 0 else (0.84, 0.15, 0.16)
            axes.add_patch(Rectangle((column, row), 1, 1, color=(*colour, 0.75 * abs(value)), lw=0))
            axes.text(column + 0.5, row + 0.5, symbol, **LETTER)
            column += 1
            last = max(last, column)
    axes.set(xlim=(0, last), ylim=(row + 1, 0))
