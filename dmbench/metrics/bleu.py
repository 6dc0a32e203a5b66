"""BLEU: how many of the n-grams of translations, n from 1 to 4, occur in the references too.

Source: Papineni, Roukos, Ward, Zhu (2002), BLEU: a Method for Automatic Evaluation of Machine Translation, ACL;
computed by sacrebleu (Post 2018, A Call for Clarity in Reporting BLEU Scores, arXiv:1804.08771), whose signature says
all settings. Of the whole corpus: clipped n-gram counts are summed over sentences, and 100 exp(mean of log precisions)
is multiplied by exp(1 - r / c) where the translations' length c is below the references' r.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sacrebleu.metrics.bleu import BLEU


class Bleu(NamedTuple):
    """score: 0 to 100. precisions: of 1- to 4-grams, %. brevity: the penalty, 0 to 1. signature: sacrebleu's."""

    score: float
    precisions: tuple[float, ...]
    brevity: float
    signature: str


def bleu(
    translations: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    *,
    lowercase: bool = False,
    tokenize: str = "13a",
) -> Bleu:
    """Score translations; all as plain text, not split into words.

    references: one for each translation, or a list for each, all of the same length.
    lowercase: ignore case. tokenize: sacrebleu's: "13a" is that of WMT, "none" splits at spaces.

    Raises: ValueError: there is nothing to score, numbers differ, or sacrebleu knows no such tokeniser.
    """
    if len(translations) != len(references) or not references:
        raise ValueError(f"need a reference for each translation: {len(translations)}, {len(references)} references")
    several = [[one] if isinstance(one, str) else list(one) for one in references]
    if len({len(ones) for ones in several}) > 1 or not several[0]:
        raise ValueError(f"need as many references for each translation: {sorted({len(ones) for ones in several})}")
    if tokenize not in BLEU.TOKENIZERS:
        raise ValueError(f"tokenize must be one of {', '.join(BLEU.TOKENIZERS)}: {tokenize}")
    metric = BLEU(lowercase=lowercase, tokenize=tokenize, force=True)
    found = metric.corpus_score(list(translations), [list(column) for column in zip(*several, strict=True)])
    return Bleu(found.score, tuple(found.precisions), found.bp, str(metric.get_signature()))
