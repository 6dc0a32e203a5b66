"""COCO's captions of 2014: pictures with five captions each or a few more, from the published JSON files.

Source: Lin et al. (2014), Microsoft COCO, arXiv:1405.0312, and Chen et al. (2015), Microsoft COCO Captions,
arXiv:1504.00325. Needs annotations_trainval2014.zip, unpacked, and for the pictures train2014.zip and val2014.zip, all
of cocodataset.org: the folders `annotations`, `train2014` and `val2014`.
"""

from collections.abc import Mapping
from pathlib import Path

from dmbench.datasets._annotations import Captioned, all_there, existing, field, read_json, some

PARTS = ("train", "val")
PICTURES: Mapping[str, int] = {"train": 82_783, "val": 40_504}
WHAT = "annotations_trainval2014.zip of cocodataset.org, unpacked"


def read_coco(folder: Path, part: str, *, pictures: bool = False) -> list[Captioned]:
    """Read a part, in the order of the pictures' numbers.

    Args:
        folder: with `annotations` in it, or that folder itself. part: "train" or "val".
        pictures: whether each picture has to be there, in `train2014` or `val2014`.

    Raises:
        ValueError: an unknown part, a file that is missing or of another form, a picture without a caption, a caption
            without a picture, or a missing picture.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}: {part}")
    name = f"captions_{part}2014.json"
    path = existing(folder, (f"annotations/{name}", name), WHAT)
    images, annotations = read_json(path, "images", "annotations")
    home = (folder if path.parent.parent == folder else folder.parent) / f"{part}2014"
    places = {field(path, image, "id", int): home / field(path, image, "file_name", str) for image in images}
    captions: dict[int, list[str]] = {number: [] for number in places}
    for entry in annotations:
        number = field(path, entry, "image_id", int)
        if number not in captions:
            raise ValueError(f"{path}: a caption of picture {number}, which the file does not list")
        captions[number].append(field(path, entry, "caption", str).strip())
    if without := [places[number].name for number, found in captions.items() if not found]:
        raise ValueError(f"{path}: without a caption: {some(without)}")
    if pictures:
        all_there(places.values())
    return [Captioned(places[number], tuple(captions[number])) for number in sorted(places)]
