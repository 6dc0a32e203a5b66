"""Flickr8k: 8,000 pictures with five captions each, 6,000 to train, 1,000 to choose by and 1,000 to test.

Source: Hodosh, Young and Hockenmaier (2013), Framing image description as a ranking task, JAIR 47. Needs the files of
Flickr8k_text.zip (Flickr8k.token.txt, Flickr_8k.trainImages.txt and so on) and for the pictures Flickr8k_Dataset.zip,
which the authors gave out on request.
"""

from collections.abc import Mapping
from pathlib import Path

from dmbench.datasets._annotations import Captioned, all_there, existing, some

LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "dev": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
PICTURES: Mapping[str, int] = {"train": 6_000, "dev": 1_000, "test": 1_000}
CAPTIONS = 5
WHAT = "Flickr8k_text.zip of Flickr8k, unpacked"


def read_flickr8k(folder: Path, part: str, *, pictures: bool = False) -> list[Captioned]:
    """Read a part, in the order of its list.

    Args:
        folder: with the text files, and with the pictures in `Flicker8k_Dataset` or `Flickr8k_Dataset`.
        part: "train", "dev" or "test". pictures: whether each picture has to be there.

    Raises:
        ValueError: an unknown part, a file that is missing or of another form, a picture of the list without five
            captions, or a missing picture.
    """
    if part not in LISTS:
        raise ValueError(f"part must be one of {', '.join(LISTS)}: {part}")
    tokens, names = (existing(folder, (name,), WHAT) for name in ("Flickr8k.token.txt", LISTS[part]))
    captions: dict[str, dict[int, str]] = {}
    for number, line in enumerate(_lines(tokens), 1):
        key, tab, caption = line.partition("\t")
        name, hash_mark, which = key.rpartition("#")
        if not (tab and hash_mark and which.isdigit() and caption.strip()):
            raise ValueError(f"{tokens}:{number}: need picture#number, a tab and a caption: {line[:60]}")
        if int(which) in captions.setdefault(name, {}):
            raise ValueError(f"{tokens}:{number}: {key} is there twice")
        captions[name][int(which)] = caption.strip()
    wanted = [line.strip() for line in _lines(names)]
    if wrong := [name for name in wanted if len(captions.get(name, ())) != CAPTIONS]:
        raise ValueError(f"{tokens}: without {CAPTIONS} captions: {some(wrong)}")
    home = next(
        (folder / name for name in ("Flicker8k_Dataset", "Flickr8k_Dataset") if (folder / name).is_dir()), folder
    )
    if pictures:
        all_there(home / name for name in wanted)
    return [Captioned(home / name, tuple(caption for _, caption in sorted(captions[name].items()))) for name in wanted]


def _lines(path: Path) -> list[str]:
    try:
        found = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({str(error)[:60]})") from error
    if not found:
        raise ValueError(f"{path}: is empty")
    return found
