"""Multi30k: captions of Flickr30k's pictures in English, with their translations by people into German and French.

Source: Elliott, Frank, Sima'an, Specia (2016), Multi30K: Multilingual English-German Image Descriptions,
arXiv:1605.00459; French: Elliott et al. (2017), arXiv:1710.07177. Task 1, raw text: 29,000 training, 1,014 validation
and 1,000 test sentences (test_2016_flickr). Tokenisation: `parallel_text`. The text may be used for research that is
not commercial.
"""

from collections.abc import Mapping
from pathlib import Path

from dmbench.datasets.parallel_text import read_parallel

COUNTS = {"train": 29_000, "val": 1_014, "test_2016_flickr": 1_000}
LANGUAGES = ("en", "de", "fr")


def read_multi30k(files: Mapping[str, Path], part: str, source: str, target: str) -> tuple[list[str], list[str]]:
    """Read the sentences of a part in two languages, line by line translations of each other.

    Args:
        files: <part>.<language>.gz by any name that ends so.
        part: "train", "val" or "test_2016_flickr".
        source, target: "en", "de" or "fr".

    Raises:
        ValueError: an unknown part or language, a file that is missing or damaged, or another number of lines.
    """
    if part not in COUNTS:
        raise ValueError(f"part must be one of {', '.join(COUNTS)}: {part}")
    paths = []
    for language in (source, target):
        if language not in LANGUAGES:
            raise ValueError(f"language must be one of {', '.join(LANGUAGES)}: {language}")
        wanted = f"{part}.{language}.gz"
        found = [path for name, path in files.items() if name.rpartition("/")[2] == wanted]
        if not found:
            raise ValueError(f"needs {wanted}: {', '.join(sorted(files)) or 'no files'}")
        paths.append(found[0])
    texts = read_parallel(*paths)
    if len(texts[0]) != COUNTS[part]:
        raise ValueError(f"{paths[0]}: need {COUNTS[part]:,} sentences: {len(texts[0]):,}")
    return texts
