"""Stories of all 20 bAbI tasks, generated from the published task descriptions.

Source: Weston et al. (2015), Towards AI-complete question answering, arXiv:1502.05698, sections 3 and 4. They are told
in the published files' grammar and format, and read by the same reader; task 1 was compared with its published file.

Differs from the published files: 1. Every question has one answer, by what was told; chance, names and lengths of tasks
2 to 20 follow the descriptions and examples, not the files. 2. Objects carried are listed in the order in which they
were taken.
"""

from collections.abc import Mapping
from random import Random

from dmbench.datasets.babi import TASKS, Story, parse_babi
from dmbench.datasets.babi_worlds import people, speech, things
from dmbench.datasets.babi_worlds.script import Teller

TELLERS: Mapping[int, Teller] = {
    1: people.where_is_person,
    2: people.where_is_thing,
    3: people.where_was_thing,
    4: things.two_arguments,
    5: people.who_gave_what,
    6: people.is_person_there,
    7: people.how_many_things,
    8: people.which_things,
    9: speech.negated,
    10: speech.indefinite,
    11: speech.coreference,
    12: speech.conjunction,
    13: speech.compound,
    14: speech.times,
    15: things.deduction,
    16: things.induction,
    17: things.positions,
    18: things.sizes,
    19: things.paths,
    20: things.motives,
}


def write_babi(task: int, questions: int, seed: int) -> list[str]:
    """Tell stories, as lines of a file, until they have at least so many questions.

    Args:
        task: 1 to 20. questions: at least 0. seed: the same one gives the same lines.

    Raises:
        ValueError: another task, or a negative number of questions.
    """
    if task not in TELLERS or questions < 0:
        raise ValueError(f"need a task of 1 to {len(TASKS)} and questions >= 0: {task}, {questions}")
    random = Random(f"{task} {seed}")
    lines: list[str] = []
    count = 0
    while count < questions:
        story = TELLERS[task](random)
        lines += story.lines
        count += story.questions
    return lines


def generate_babi(task: int, questions: int, seed: int) -> list[Story]:
    """Generate exactly so many questions of a task, each with the story before it. Raises: as `write_babi`."""
    return parse_babi(write_babi(task, questions, seed), f"task {task}")[:questions]
