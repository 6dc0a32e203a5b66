"""COCO's captions: a small file in the published form, and every way in which a user's can be another."""

import json

import pytest

from dmbench.datasets.coco import read_coco


def image(number):
    return {
        "license": 5,
        "file_name": f"COCO_train2014_{number:012d}.jpg",
        "coco_url": f"http://images.cocodataset.org/train2014/COCO_train2014_{number:012d}.jpg",
        "height": 400,
        "width": 640,
        "date_captured": "2013-11-14 16:28:13",
        "flickr_url": "http://farm5.staticflickr.com/x.jpg",
        "id": number,
    }


def caption(picture, number, text):
    return {"image_id": picture, "id": number, "caption": text}


def write(folder, images=None, annotations=None, name="annotations/captions_train2014.json"):
    content = {
        "info": {"description": "COCO 2014 Dataset", "version": "1.0", "year": 2014},
        "images": [image(30), image(9)] if images is None else images,
        "licenses": [{"id": 5, "name": "Attribution License"}],
        "annotations": [
            caption(9, 661611, "There are containers filled with different kinds of foods"),
            caption(30, 695774, "A flower vase is sitting on a porch stand. "),
            caption(9, 661977, "Colorful dishes hold meat, vegetables, fruit, and bread."),
        ]
        if annotations is None
        else annotations,
    }
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return folder


def test_pictures_come_by_number_each_with_its_captions(tmp_path):
    first, second = read_coco(write(tmp_path), "train")
    assert first.picture == tmp_path / "train2014" / "COCO_train2014_000000000009.jpg"
    assert first.captions == (
        "There are containers filled with different kinds of foods",
        "Colorful dishes hold meat, vegetables, fruit, and bread.",
    )
    assert second.captions == ("A flower vase is sitting on a porch stand.",)


def test_the_folder_of_annotations_may_be_given_itself(tmp_path):
    write(tmp_path)
    assert read_coco(tmp_path / "annotations", "train") == read_coco(tmp_path, "train")


def test_another_part_is_refused(tmp_path):
    with pytest.raises(ValueError, match="part must be one of train, val: test"):
        read_coco(tmp_path, "test")


def test_a_missing_folder_or_file_says_what_is_needed(tmp_path):
    with pytest.raises(ValueError, match=r"no such folder; need annotations_trainval2014.zip of cocodataset.org"):
        read_coco(tmp_path / "none", "train")
    with pytest.raises(ValueError, match=r"has no annotations/captions_val2014.json or captions_val2014.json; need"):
        read_coco(write(tmp_path), "val")


def test_another_json_or_none_is_refused(tmp_path):
    write(tmp_path)
    path = tmp_path / "annotations" / "captions_train2014.json"
    path.write_text('{"images": [], "categories": []}')
    with pytest.raises(ValueError, match="has no list 'annotations': another file than the published one"):
        read_coco(tmp_path, "train")
    path.write_text('{"images": [')
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        read_coco(tmp_path, "train")


def test_a_picture_without_a_caption_is_named(tmp_path):
    write(tmp_path, annotations=[caption(9, 1, "food")])
    with pytest.raises(ValueError, match="without a caption: COCO_train2014_000000000030.jpg"):
        read_coco(tmp_path, "train")


def test_a_caption_without_a_picture_is_named(tmp_path):
    write(tmp_path, images=[image(9)])
    with pytest.raises(ValueError, match="a caption of picture 30, which the file does not list"):
        read_coco(tmp_path, "train")


def test_an_entry_of_another_form_is_named(tmp_path):
    write(tmp_path, annotations=[{"image_id": 9, "id": 1, "segmentation": []}])
    with pytest.raises(ValueError, match="an entry without 'caption', str"):
        read_coco(tmp_path, "train")


def test_missing_pictures_are_named_where_they_are_asked_for(tmp_path):
    write(tmp_path)
    (tmp_path / "train2014").mkdir()
    (tmp_path / "train2014" / "COCO_train2014_000000000009.jpg").touch()
    with pytest.raises(ValueError, match="pictures missing: COCO_train2014_000000000030.jpg"):
        read_coco(tmp_path, "train", pictures=True)
    (tmp_path / "train2014" / "COCO_train2014_000000000030.jpg").touch()
    assert len(read_coco(tmp_path, "train", pictures=True)) == 2
