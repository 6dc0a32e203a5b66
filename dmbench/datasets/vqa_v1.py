"""VQA v1.0, real images, open-ended: questions about COCO's pictures with the answers of ten people.

Source: Antol et al. (2015), VQA: Visual Question Answering, arXiv:1505.00468. Needs the files of
Questions_Train_mscoco.zip, Questions_Val_mscoco.zip, Annotations_Train_mscoco.zip and Annotations_Val_mscoco.zip of
visualqa.org, v1.0, in one folder; the pictures are COCO's train2014 and val2014.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from dmbench.datasets._annotations import existing, field, read_json, some

PARTS = ("train", "val")
QUESTIONS: Mapping[str, int] = {"train": 248_349, "val": 121_512}
PEOPLE = 10
WHAT = "the questions and annotations of VQA v1.0 of visualqa.org, unpacked into one folder"


class Asked(NamedTuple):
    """A question, the file name of its picture, ten people's answers, the answer that most of them gave, and types."""

    number: int
    picture: str
    question: str
    answers: tuple[str, ...]
    answer: str
    answer_type: str
    question_type: str


def read_vqa(folder: Path, part: str) -> list[Asked]:
    """Read a part, in the order of the file of questions.

    part: "train" or "val"; the answers of the test parts are not public.

    Raises:
        ValueError: an unknown part, a file that is missing or of another form, questions without answers or the other
            way round, or a question that has not ten answers.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}: {part}")
    asked = existing(folder, (f"OpenEnded_mscoco_{part}2014_questions.json",), WHAT)
    answered = existing(folder, (f"mscoco_{part}2014_annotations.json",), WHAT)
    questions, annotations = read_json(asked, "questions")[0], read_json(answered, "annotations")[0]
    by_number = {field(answered, entry, "question_id", int): entry for entry in annotations}
    numbers = [field(asked, entry, "question_id", int) for entry in questions]
    if len(set(numbers)) != len(numbers) or set(numbers) != set(by_number):
        strange = sorted(set(numbers) ^ set(by_number)) or sorted(n for n, c in Counter(numbers).items() if c > 1)
        raise ValueError(f"{asked}: questions that are not in both files, or there twice: {some(strange)}")
    found = []
    for number, entry in zip(numbers, questions, strict=True):
        other = by_number[number]
        answers = tuple(field(answered, one, "answer", str) for one in field(answered, other, "answers", list))
        if len(answers) != PEOPLE:
            raise ValueError(f"{answered}: question {number} has {len(answers)} answers, not {PEOPLE}")
        picture = field(asked, entry, "image_id", int)
        texts = (
            field(answered, other, name, str) for name in ("multiple_choice_answer", "answer_type", "question_type")
        )
        name = f"COCO_{part}2014_{picture:012d}.jpg"
        found.append(Asked(number, name, field(asked, entry, "question", str), answers, *texts))
    return found


def frequent(answers: Iterable[str], count: int = 1000) -> list[str]:
    """Return the most frequent answers, of equally frequent ones the first by alphabet: what a model chooses from.

    Raises:
        ValueError: count is below 1, or there are fewer different answers.
    """
    counts = Counter(answers)
    if not 1 <= count <= len(counts):
        raise ValueError(f"need a count from 1 to {len(counts)}, as many as there are answers: {count}")
    return sorted(counts, key=lambda answer: (-counts[answer], answer))[:count]
