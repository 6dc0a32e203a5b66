"""Flickr8k: small files in the published form, and every way in which a user's can be another."""

import pytest

from dmbench.datasets.flickr8k import read_flickr8k

NAMES = ("1000268201_693b08cb0e.jpg", "1001773457_577c3a7d70.jpg")


def lines(names=NAMES, count=5):
    return [f"{name}#{i}\tA caption number {i} of {name[:4]} ." for name in names for i in range(count)]


def write(folder, tokens=None, train=NAMES):
    (folder / "Flickr8k.token.txt").write_text("\n".join(lines() if tokens is None else tokens) + "\n")
    (folder / "Flickr_8k.trainImages.txt").write_text("\n".join(train) + "\n")
    return folder


def test_pictures_come_in_the_order_of_the_list_with_five_captions_by_number(tmp_path):
    write(tmp_path, tokens=lines()[::-1], train=NAMES[::-1])
    (tmp_path / "Flicker8k_Dataset").mkdir()
    first, second = read_flickr8k(tmp_path, "train")
    assert first.picture == tmp_path / "Flicker8k_Dataset" / NAMES[1]
    assert first.captions == tuple(f"A caption number {i} of 1001 ." for i in range(5))
    assert second.picture.name == NAMES[0]


def test_windows_line_ends_are_read(tmp_path):
    write(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_flickr8k(tmp_path, "train")[1].captions[4] == "A caption number 4 of 1001 ."


def test_pictures_of_other_parts_are_left_out(tmp_path):
    assert [one.picture.name for one in read_flickr8k(write(tmp_path, train=NAMES[:1]), "train")] == [NAMES[0]]


@pytest.mark.parametrize("part", ["validation", ""])
def test_another_part_is_refused(tmp_path, part):
    with pytest.raises(ValueError, match="part must be one of train, dev, test"):
        read_flickr8k(tmp_path, part)


def test_a_missing_file_says_what_is_needed(tmp_path):
    with pytest.raises(ValueError, match=r"has no Flickr8k.token.txt; need Flickr8k_text.zip"):
        read_flickr8k(tmp_path, "train")
    with pytest.raises(ValueError, match=r"has no Flickr_8k.testImages.txt"):
        read_flickr8k(write(tmp_path), "test")


def test_a_picture_without_five_captions_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"without 5 captions: {NAMES[1]}"):
        read_flickr8k(write(tmp_path, tokens=lines()[:-1]), "train")
    with pytest.raises(ValueError, match="without 5 captions: 3.jpg"):
        read_flickr8k(write(tmp_path, train=("3.jpg",)), "train")


@pytest.mark.parametrize("line", ["no tab", "1.jpg\tno number", "1.jpg#x\ta dog", "1.jpg#0\t "])
def test_a_line_of_another_form_is_named_by_its_number(tmp_path, line):
    with pytest.raises(ValueError, match=r"token.txt:11: need picture#number, a tab and a caption"):
        read_flickr8k(write(tmp_path, tokens=[*lines(), line]), "train")


def test_a_caption_that_is_there_twice_is_named(tmp_path):
    with pytest.raises(ValueError, match=rf"token.txt:11: {NAMES[0]}#0 is there twice"):
        read_flickr8k(write(tmp_path, tokens=[*lines(), lines()[0]]), "train")


def test_an_empty_list_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"trainImages.txt: is empty"):
        read_flickr8k(write(tmp_path, train=()), "train")


def test_missing_pictures_are_named_where_they_are_asked_for(tmp_path):
    with pytest.raises(ValueError, match=f"pictures missing: {NAMES[0]}, {NAMES[1]}"):
        read_flickr8k(write(tmp_path), "train", pictures=True)
