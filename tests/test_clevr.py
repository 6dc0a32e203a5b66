"""clevr: questions and states of files written here, in CLEVR's format; damaged files."""

import json

import pytest
import torch

from dmbench.datasets.clevr import COLOURS, MATERIALS, SHAPES, SIZES, STATE, read_questions, read_states

QUESTIONS = [
    {
        "image_filename": "CLEVR_val_000000.png",
        "question": "Are there more big green things than large purple shiny cubes?",
        "answer": "yes",
        "program": [{"function": "scene"}, {"function": "greater_than"}],
    },
    {
        "image_filename": "CLEVR_val_000001.png",
        "question": "There is a brown ball; what number of things are left of it?",
        "answer": "3",
        "program": [{"type": "scene"}, {"type": "count"}],
    },
    {"image_filename": "CLEVR_val_000001.png", "question": "Is it?", "answer": "no"},
]
SCENES = [
    {
        "image_filename": "CLEVR_val_000000.png",
        "objects": [
            {"3d_coords": [1.5, -2.0, 0.7], "color": "cyan", "shape": "sphere", "material": "metal", "size": "small"},
            {"3d_coords": [0.0, 1.0, 0.35], "color": "blue", "shape": "cube", "material": "rubber", "size": "large"},
        ],
    },
    {"image_filename": "CLEVR_val_000001.png", "objects": []},
]


@pytest.fixture
def root(tmp_path):
    write(tmp_path, "questions", QUESTIONS)
    write(tmp_path, "scenes", SCENES)
    return tmp_path


def write(root, key, entries):
    (root / key).mkdir(exist_ok=True)
    (root / key / f"CLEVR_val_{key}.json").write_text(json.dumps({"info": {}, key: entries}))


def test_questions_have_words_answers_and_families(root):
    more, count, bare = read_questions(root, "val")
    assert " ".join(more.words) == "are there more big green things than large purple shiny cubes"
    assert (more.answer, more.family) == ("yes", "compare_numbers")
    assert count.words[:6] == ("there", "is", "a", "brown", "ball", "what")
    assert (count.answer, count.family) == ("3", "count")
    assert count.image == root / "images" / "val" / "CLEVR_val_000001.png"
    assert bare.family == ""


def test_states_are_places_and_properties(root):
    found = read_states(root, "val")
    first = found["CLEVR_val_000000.png"]
    torch.testing.assert_close(first[:, :3], torch.tensor([[1.5, -2.0, 0.7], [0.0, 1.0, 0.35]]), rtol=0, atol=0)
    names = [*COLOURS, *SHAPES, *MATERIALS, *SIZES]
    told = [[names[place] for place in row[3:].nonzero()[:, 0]] for row in first]
    assert told == [["cyan", "sphere", "metal", "small"], ["blue", "cube", "rubber", "large"]]
    assert found["CLEVR_val_000001.png"].shape == (0, STATE)


def test_damaged_entries_are_refused_by_file_and_place(root):
    write(root, "questions", [QUESTIONS[0], {**QUESTIONS[1], "answer": ""}])
    with pytest.raises(ValueError, match=r"CLEVR_val_questions.json: question 1 has no answer"):
        read_questions(root, "val")
    write(root, "questions", [{"question": "Is it?", "answer": "no"}])
    with pytest.raises(ValueError, match="question 0 is damaged: 'image_filename'"):
        read_questions(root, "val")
    write(root, "scenes", [{**SCENES[0], "objects": [{**SCENES[0]["objects"][0], "color": "pink"}]}])
    with pytest.raises(ValueError, match="scene 0 has an object of unknown colour"):
        read_states(root, "val")
    write(root, "scenes", [{**SCENES[0], "objects": [{"color": "blue"}]}])
    with pytest.raises(ValueError, match="scene 0 is damaged: '3d_coords'"):
        read_states(root, "val")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"scenes": 3}', '{"questions": []}'])
def test_another_file_is_refused_by_its_path(root, content):
    (root / "scenes" / "CLEVR_val_scenes.json").write_text(content)
    with pytest.raises(ValueError, match=r"CLEVR_val_scenes.json: damaged, or no file of CLEVR's scenes"):
        read_states(root, "val")
