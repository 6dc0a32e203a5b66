"""ImageNet's lists: what counts as the 50,000, in which layouts, and what is said of another folder."""

import pytest

from dmbench.datasets.imagenet import list_folder, list_pictures, read_labels, read_synsets

SYNSETS = [f"n{10 * i:08}" for i in range(1000)]
LABELS = {f"ILSVRC2012_val_{i:08}.JPEG": (37 * i) % 1000 for i in range(1, 13)}


def flat(folder, names=LABELS):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def by_class(folder, labels=LABELS):
    for name, label in labels.items():
        flat(folder / SYNSETS[label], [name])
    return folder


def labelled(found):
    return {listed.path.name: listed.label for listed in found}


@pytest.mark.parametrize("layout", [flat, by_class])
@pytest.mark.parametrize("inside", ["", "val"])
def test_a_folder_is_listed_in_the_order_of_names_whichever_its_layout(tmp_path, layout, inside):
    layout(tmp_path / inside)
    found = list_folder(tmp_path, LABELS, SYNSETS)
    assert [listed.path.name for listed in found] == sorted(LABELS)
    assert labelled(found) == LABELS
    assert all(listed.path.exists() for listed in found)


def test_other_files_are_left_alone(tmp_path):
    flat(tmp_path, [*LABELS, "readme.txt", "ILSVRC2012_val_000001.JPEG", "ILSVRC2012_val_00000001.xml"])
    flat(tmp_path / "n00000010", ["notes.txt"])
    assert labelled(list_folder(tmp_path, LABELS, SYNSETS)) == LABELS


def test_a_name_may_end_in_small_letters(tmp_path):
    flat(tmp_path, [name.replace("JPEG", "jpeg") for name in LABELS])
    assert [listed.label for listed in list_folder(tmp_path, LABELS, SYNSETS)] == list(LABELS.values())


def refused(tmp_path, words):
    with pytest.raises(ValueError, match=words) as caught:
        list_folder(tmp_path, LABELS, SYNSETS)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_what_is_not_imagenet_is_refused_with_what_was_looked_for(tmp_path):
    (tmp_path / "cats").mkdir()
    refused(tmp_path, "not ImageNet's validation pictures: looked for ILSVRC2012_val_.*n01440764, among 1 entries")
    refused(tmp_path / "nowhere", "no such folder")


def test_a_folder_that_lacks_pictures_is_refused_with_their_names(tmp_path):
    flat(tmp_path, list(LABELS)[5:])
    refused(tmp_path, "7 pictures instead of 12: ILSVRC2012_val_00000001.JPEG, .*2.JPEG, .*3.JPEG and 2 more missing")


def test_a_folder_of_more_pictures_is_refused(tmp_path):
    flat(tmp_path, [*LABELS, "ILSVRC2012_val_00050001.JPEG"])
    refused(tmp_path, "13 pictures instead of 12: ILSVRC2012_val_00050001.JPEG without a label")


def test_a_picture_in_the_folder_of_another_class_is_refused_by_name(tmp_path):
    by_class(tmp_path)
    name, label = next(iter(LABELS.items()))
    (tmp_path / SYNSETS[label] / name).unlink()
    flat(tmp_path / SYNSETS[5], [name])
    refused(tmp_path, f"{name}: label 5 is not {label}, the label in val.txt: labels of another order, or another set")


def test_a_folder_of_a_synset_that_is_none_of_the_thousand_is_refused(tmp_path):
    flat(tmp_path / "n99999999", list(LABELS)[:1])
    refused(tmp_path, "a synset that is none of the 1,000")


def test_a_picture_that_is_there_twice_is_refused(tmp_path):
    flat(by_class(tmp_path), list(LABELS)[:1])
    refused(tmp_path, "is there twice")


@pytest.mark.parametrize("inside", ["", "val"])
def test_labels_of_the_folders_own_that_contradict_are_refused(tmp_path, inside):
    flat(tmp_path / inside)
    (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000002.JPEG 490\n")
    refused(tmp_path, "val.txt/ILSVRC2012_val_00000002.JPEG: label 490 is not 74")
    (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000002.JPEG 74\n")
    assert labelled(list_folder(tmp_path, LABELS, SYNSETS)) == LABELS


def test_labels_are_read_by_the_pictures_names(tmp_path):
    file = tmp_path / "val.txt"
    file.write_text("ILSVRC2012_val_00000001.JPEG 65\n./data/ILSVRC2012_val_00000002.JPEG, 970\n\n")
    assert read_labels(file) == {"ILSVRC2012_val_00000001.JPEG": 65, "ILSVRC2012_val_00000002.JPEG": 970}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty: no labels"),
        ("a.JPEG 1000\n", "val.txt:1: need a picture's name and its label, 0 to 999: a.JPEG 1000"),
        ("a.JPEG 1\nb.JPEG\n", "val.txt:2: need"),
        ("a.JPEG -1\n", "val.txt:1: need"),
        ("a.JPEG 1\nx/a.JPEG 1\n", "val.txt:2: a.JPEG is there twice"),
    ],
)
def test_labels_that_are_none_are_refused_by_line(tmp_path, text, words):
    (tmp_path / "val.txt").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_labels(tmp_path / "val.txt")


def test_labels_that_are_missing_are_refused(tmp_path):
    with pytest.raises(ValueError, match="val.txt: cannot be read"):
        read_labels(tmp_path / "val.txt")
    (tmp_path / "val.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="val.txt: cannot be read"):
        read_labels(tmp_path / "val.txt")


def test_synsets_must_be_a_thousand_in_order(tmp_path):
    file = tmp_path / "synset_words.txt"
    file.write_text("".join(f"{synset} thing, object\n" for synset in SYNSETS))
    assert read_synsets(file)[1] == ("n00000010", "thing, object")
    for lines in (SYNSETS[:999], [SYNSETS[1], SYNSETS[0], *SYNSETS[2:]], [*SYNSETS[:999], "dog"]):
        file.write_text("".join(f"{line} x\n" for line in lines))
        with pytest.raises(ValueError, match="need 1,000 synsets, n01440764 and so on, in order"):
            read_synsets(file)


def test_a_subset_needs_a_label_for_each_and_at_least_one_picture(tmp_path):
    files = {f"imagenet/data/{name}": tmp_path / name for name in [*LABELS, "other.txt"]}
    assert labelled(list_pictures(files, LABELS)) == LABELS
    with pytest.raises(ValueError, match="ILSVRC2012_val_00000003.JPEG: no label among 11"):
        list_pictures(files, {n: c for n, c in LABELS.items() if "3" not in n})
    with pytest.raises(ValueError, match="no ILSVRC2012_val_\\*.JPEG among 0 files"):
        list_pictures({}, LABELS)


@pytest.mark.data
def test_the_subsets_labels_are_the_official_ones(artifact):
    (file,) = artifact("imagenet_val_labels").values()
    labels = read_labels(file)
    found = list_pictures(artifact("imagenet_val_1300"), labels)
    assert (len(labels), len(found), len({listed.label for listed in found})) == (50_000, 1300, 725)
    (synsets,) = artifact("imagenet_synsets").values()
    names = read_synsets(synsets)
    # ILSVRC2012_val_00000347 shows a canoe.
    assert names[found[0].label][1].startswith("canoe")
