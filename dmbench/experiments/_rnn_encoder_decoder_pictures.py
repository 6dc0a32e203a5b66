"""Figures of translators: sentences with their reference and BLEU, and where attention looks.

`python -m dmbench.experiments._rnn_encoder_decoder_pictures FILE WEIGHTS...` writes the translations that the report
draws, from weights that trainings kept; the sentences themselves are read from Multi30k where they are drawn.
"""

import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor, tensor

from dmbench.datasets.multi30k import read_multi30k
from dmbench.datasets.parallel_text import tokenise
from dmbench.datasets.wmt14 import read_phrase_table, write_phrase_table
from dmbench.experiments._kept_translators import Translation, load_translator
from dmbench.experiments._translation import BEAM, TEST, score, translate
from dmbench.harness.artifacts import Store
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.report_pictures import Drawing
from dmbench.metrics.bleu import bleu

KEPT = "rnn_encoder_decoder_translations"
SHOWN = range(8)  # the first test sentences
NAMES = {"de_en": "RNN encoder-decoder", "attention": "with attention", "en_fr": "RNN encoder-decoder"}
COLOURS, GREY = {"de_en": "#1f77b4", "attention": "#2ca02c", "en_fr": "#1f77b4"}, "#5b5b5b"


def show(folder: Path, weights: str = "", text: str = "", table: str = "", beam: str = str(BEAM)) -> list[Path]:
    """Translate a sentence, or score a phrase table, by weights that a training of this stem kept.

    weights: a file in kept/ of the results. text: a sentence. table: a phrase table of Moses.
    beam: hypotheses that are followed, at least 1.

    Returns: translation.png, with attention where the network has it; and the table with one score more.

    Raises: ValueError: no weights, neither text nor table, a beam below 1, or a file that is none of these. OSError:
        the folder cannot be written.
    """
    if not weights or not (text or table):
        raise ValueError("need --weights FILE, which dmbench run keeps, and --text SENTENCE or --table FILE")
    found = {"multi30k": Store.from_environment().files("multi30k")}
    translator = load_translator(Drawing("rnn_encoder_decoder", found), Path(weights))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    if text:
        written.append(folder / "translation.png")
        one_translation(translator(text, int(beam))).savefig(written[-1], dpi=150)
    if table:
        written.append(folder / f"scored.{Path(table).name}")
        write_phrase_table(written[-1], translator.scored(read_phrase_table(Path(table))))
    return written


@picture("multi30k", KEPT)
def translations(ctx: Context) -> Figure:
    """Multi30k's first test sentences, German to English, with their reference, translations and each one's BLEU.

    By the networks of the slow tier, seed 0, a beam of 5; BLEU of a sentence is smoothed by sacrebleu, that of all
    1,000 in brackets is not.
    """
    sources, references = read_multi30k(ctx.files("multi30k"), TEST, "de", "en")
    models = {name: kept for name, kept in _kept(ctx).items() if kept["languages"] == "de-en"}
    figure = Figure(figsize=(14, 0.23 * len(SHOWN) * (3 + len(models))))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    lines: list[tuple[str, str, str]] = []
    for i in SHOWN:
        lines += [("German", sources[i], "black"), ("reference", references[i], "black")]
        for name, kept in models.items():
            given = kept["translations"][i]
            one = bleu([given], [references[i]], lowercase=True).score
            lines.append((f"{NAMES[name]} [{kept['bleu']:.1f}]", f"{given}   ({one:.0f})", COLOURS[name]))
        lines.append(("", "", "black"))
    _written(axes, lines)
    return figure


@picture("multi30k", KEPT)
def attention(ctx: Context) -> Figure:
    """Where attention looks: a row is a word of the translation, dark are the German words that it is made of.

    The extension of the slow tier, seed 0, on two test sentences; a row sums to one, <eos> included.
    """
    kept = _kept(ctx).get("attention")
    if kept is None:
        raise LookupError("no network with attention is kept yet")
    sources, _ = read_multi30k(ctx.files("multi30k"), TEST, "de", "en")
    figure = Figure(figsize=(11, 5), layout="constrained")
    for axes, (index, drawn) in zip(figure.subplots(1, len(kept["maps"])), kept["maps"].items(), strict=True):
        _map(axes, [*tokenise(sources[int(index)], "de"), "<eos>"], drawn["words"], tensor(drawn["weights"]))
    return figure


def one_translation(found: Translation) -> Figure:
    """Draw a translation with its log p, words never seen, and attention where there is one."""
    figure = Figure(figsize=(7, 6 if found.attention is not None else 2), layout="constrained")
    axes = figure.subplots()
    unseen = f"\nnever seen in training: {', '.join(found.unknown)}" if found.unknown else ""
    axes.set_title(f"{textwrap.fill(found.text, 70)}\nlog p = {found.log_p:.2f}{unseen}", fontsize=11)
    if found.attention is None:
        axes.axis("off")
    else:
        _map(axes, *found.words, found.attention)
    return figure


def write_kept(ctx: Context, path: Path, weights: Sequence[Path]) -> None:
    """Translate the test sentences by each file of weights; write the first, BLEU of all, and maps of attention."""
    found: dict[str, Any] = {}
    for file in weights:
        translator = load_translator(ctx, file)
        given = translate(translator.net, translator.text, TEST, beam=BEAM, device=ctx.device)
        kept: dict[str, Any] = {
            "languages": "-".join(translator.text.languages),
            "bleu": round(score(given, translator.text, TEST), 2),
            "translations": [given[i] for i in SHOWN],
        }
        sources, _ = read_multi30k(ctx.files("multi30k"), TEST, *translator.text.languages)
        maps = {str(i): translator(sources[i]) for i in SHOWN}
        drawn = {i: one for i, one in maps.items() if one.attention is not None}
        if drawn:
            kept["maps"] = {
                i: {"words": one.words[1], "weights": _rounded(one.attention)} for i, one in list(drawn.items())[:2]
            }
        found[translator.name] = kept
    path.write_text(json.dumps(found, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def _rounded(weights: Tensor | None) -> list[list[float]]:
    return [] if weights is None else [[round(value, 3) for value in row] for row in weights.tolist()]


def _kept(ctx: Context) -> dict[str, Any]:
    (path,) = ctx.files(KEPT).values()
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _written(axes: Any, lines: list[tuple[str, str, str]]) -> None:
    for row, (who, what, colour) in enumerate(lines):
        y = 1 - (row + 0.5) / len(lines)
        axes.text(0.15, y, who, fontsize=9, color=GREY, ha="right", va="center", transform=axes.transAxes)
        axes.text(0.16, y, what, fontsize=9.5, color=colour, va="center", transform=axes.transAxes)


def _map(axes: Any, source: list[str], target: list[str], weights: Tensor) -> None:
    axes.imshow(weights.numpy(), cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(range(len(source)), source, rotation=60, ha="left", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(range(len(target)), target, fontsize=9)
    axes.xaxis.tick_top()


if __name__ == "__main__":
    files = {"multi30k": Store.from_environment().files("multi30k")}
    write_kept(Drawing("rnn_encoder_decoder", files), Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
