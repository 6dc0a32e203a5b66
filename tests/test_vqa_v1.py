"""VQA v1.0: small files in the published form, and every way in which a user's can be another."""

import json

import pytest

from dmbench.datasets.vqa_v1 import frequent, read_vqa

ASKED, ANSWERED = "OpenEnded_mscoco_val2014_questions.json", "mscoco_val2014_annotations.json"


def question(number, text="Is the sky blue?"):
    return {"image_id": number // 10, "question": text, "question_id": number}


def annotation(number, answers=("yes",) * 10):
    return {
        "question_type": "is the",
        "multiple_choice_answer": answers[0],
        "answers": [{"answer": one, "answer_confidence": "yes", "answer_id": i} for i, one in enumerate(answers, 1)],
        "image_id": number // 10,
        "answer_type": "yes/no",
        "question_id": number,
    }


def write(folder, questions, annotations):
    head = {"info": {"version": "1.0"}, "data_type": "mscoco", "data_subtype": "val2014", "license": {"name": "CC"}}
    asked = head | {"task_type": "Open-Ended", "questions": questions}
    (folder / ASKED).write_text(json.dumps(asked))
    (folder / ANSWERED).write_text(json.dumps(head | {"annotations": annotations}))
    return folder


def test_questions_come_with_their_picture_answers_and_types(tmp_path):
    people = ("no", "yes", "yes", "no", "no", "no", "no", "no", "maybe", "no")
    write(tmp_path, [question(5248), question(5249, "Why?")], [annotation(5249), annotation(5248, people)])
    first, second = read_vqa(tmp_path, "val")
    assert first.number == 5248
    assert first.picture == "COCO_val2014_000000000524.jpg"
    assert (first.question, first.answers, first.answer) == ("Is the sky blue?", people, "no")
    assert (first.answer_type, first.question_type) == ("yes/no", "is the")
    assert (second.question, second.answer) == ("Why?", "yes")


def test_the_test_part_is_refused(tmp_path):
    with pytest.raises(ValueError, match="part must be one of train, val: test"):
        read_vqa(tmp_path, "test")


@pytest.mark.parametrize("name", [ASKED, ANSWERED])
def test_a_missing_file_says_what_is_needed(tmp_path, name):
    (write(tmp_path, [question(10)], [annotation(10)]) / name).unlink()
    with pytest.raises(ValueError, match=f"has no {name}; need the questions and annotations of VQA v1.0"):
        read_vqa(tmp_path, "val")


def test_fewer_than_ten_answers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="question 10 has 9 answers, not 10"):
        read_vqa(write(tmp_path, [question(10)], [annotation(10, ("yes",) * 9)]), "val")


@pytest.mark.parametrize(
    ("questions", "annotations"),
    [([question(10)], []), ([], [annotation(10)]), ([question(10), question(10)], [annotation(10)])],
)
def test_questions_and_answers_must_belong_together(tmp_path, questions, annotations):
    with pytest.raises(ValueError, match="not in both files, or there twice: 10$"):
        read_vqa(write(tmp_path, questions, annotations), "val")


def test_a_file_of_another_kind_is_refused(tmp_path):
    write(tmp_path, [question(10)], [annotation(10)])
    (tmp_path / ASKED).write_text((tmp_path / ANSWERED).read_text())
    with pytest.raises(ValueError, match="has no list 'questions'"):
        read_vqa(tmp_path, "val")
    (tmp_path / ASKED).write_text('{"questions": [{"question_id": "10"}]}')
    with pytest.raises(ValueError, match="an entry without 'question_id', int"):
        read_vqa(tmp_path, "val")


def test_frequent_answers_come_by_count_then_alphabet():
    assert frequent(["b", "a", "c", "c"], 3) == ["c", "a", "b"]
    with pytest.raises(ValueError, match="need a count from 1 to 3, as many as there are answers: 4"):
        frequent("abcc", 4)
