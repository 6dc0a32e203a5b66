"""babi_tasks: every answer by a solver that reads the words alone, task 1 beside its published file, chance, errors."""

from collections import Counter

import pytest

from dmbench.datasets.babi import TASKS, parse_babi, read_babi
from dmbench.datasets.babi_tasks import TELLERS, generate_babi, write_babi

from .babi_solver import GIVE, LEAVE, MOVE, NAMES, TAKE, carried, persons_place, solve, things_place

# A small story a task, answered by hand, in the manner of the paper's Tables 1 and 2.
EXAMPLES = [
    (
        ("mary went to the bathroom", "john moved to the hallway", "mary travelled to the office"),
        "where is mary",
        "office",
    ),
    (("john is in the playground", "john picked up the football"), "where is the football", "playground"),
    (
        ("john is in the garden", "john picked up the apple", "john went to the office", "john went to the kitchen"),
        "where was the apple before the kitchen",
        "office",
    ),
    (
        ("the office is north of the bedroom", "the bedroom is north of the bathroom"),
        "what is north of the bedroom",
        "office",
    ),
    (("mary gave the cake to fred", "fred gave the cake to bill"), "who gave the cake to fred", "mary"),
    (("john moved to the playground", "daniel went to the bathroom"), "is john in the playground", "yes"),
    (
        (
            "daniel picked up the football",
            "daniel dropped the football",
            "daniel got the milk",
            "daniel took the apple",
        ),
        "how many objects is daniel carrying",
        "two",
    ),
    (("daniel picked up the football", "daniel took the apple"), "what is daniel carrying", "football,apple"),
    (("fred is no longer in the office",), "is fred in the office", "no"),
    (("bill is either in the classroom or the playground",), "is bill in the classroom", "maybe"),
    (
        ("daniel was in the kitchen", "daniel went to the studio", "then he went to the garden"),
        "where is daniel",
        "garden",
    ),
    (("mary and jeff went to the kitchen", "then jeff went to the park"), "where is mary", "kitchen"),
    (("daniel and sandra journeyed to the office", "then they went to the garden"), "where is sandra", "garden"),
    (
        ("this afternoon julie went to the park", "yesterday julie went to the school"),
        "where was julie before the park",
        "school",
    ),
    (
        ("sheep are afraid of wolves", "mice are afraid of cats", "gertrude is a sheep"),
        "what is gertrude afraid of",
        "wolf",
    ),
    (("lily is a swan", "lily is white", "greg is a swan"), "what color is greg", "white"),
    (
        ("the triangle is to the right of the blue square", "the red square is above the blue square"),
        "is the triangle to the right of the red square",
        "yes",
    ),
    (
        ("the football fits inside the suitcase", "the suitcase fits inside the cupboard"),
        "does the football fit in the cupboard",
        "yes",
    ),
    (
        ("the kitchen is north of the hallway", "the bathroom is west of the kitchen"),
        "how do you go from the bathroom to the hallway",
        "e,s",
    ),
    (("yann is thirsty", "yann went to the kitchen"), "why did yann go to the kitchen", "thirsty"),
]


@pytest.mark.parametrize("task", TASKS)
def test_the_solver_answers_stories_answered_by_hand(task):
    facts, question, answer = EXAMPLES[task - 1]
    assert solve(list(facts), question) == answer


@pytest.mark.parametrize("task", TASKS)
def test_every_answer_is_what_the_words_say(task):
    stories = generate_babi(task, 300, seed=task)
    for story in stories:
        facts = [" ".join(words) for words in story.facts]
        assert solve(facts, " ".join(story.question)) == story.answer, (facts, story)
    assert len({story.answer for story in stories}) > 1


@pytest.mark.parametrize("task", [1, 4, 9, 11, 12, 13, 14, 15, 16, 18, 19, 20])
def test_supporting_sentences_alone_give_the_answer(task):
    for story in generate_babi(task, 100, seed=0):
        facts = [" ".join(story.facts[place]) for place in sorted(story.supports)]
        assert solve(facts, " ".join(story.question)) == story.answer


@pytest.mark.parametrize("task", [1, 2, 3, 5, 6, 7, 8])
def test_people_go_elsewhere_and_take_and_give_what_is_there(task):
    seen = Counter()
    for story in generate_babi(task, 60, seed=2)[4::5]:
        facts = [" ".join(words) for words in story.facts]
        for t, fact in enumerate(facts):
            past = facts[:t]
            moved, took, left, gave = (pattern.search(fact) for pattern in (MOVE, TAKE, LEAVE, GIVE))
            person = fact.split()[0]
            place = persons_place(past, person)
            holders = {name: carried(past, name) for name in NAMES}
            if moved:
                assert moved[1] != place
            elif took:
                assert place in (things_place(past, took[2]) or place,)
                assert all(took[2] not in has for has in holders.values())
            elif left:
                assert left[2] in holders[person]
            elif gave:
                assert gave[2] in holders[person]
                assert persons_place(past, gave[3]) in (None, place)
            seen["move" if moved else "take" if took else "leave" if left else "give"] += 1
    assert len(seen) == {1: 1, 5: 3, 7: 4, 8: 4}.get(task, 3)


@pytest.mark.parametrize("task", TASKS)
def test_the_answers_cannot_be_guessed(task):
    answers = Counter(story.answer for story in generate_babi(task, 1000, seed=1))
    assert max(answers.values()) < 700


def grammar(stories):
    """Count what stories of task 1 are made of: people, places, verbs, repeats, lengths, supports, words, questions."""
    found = {name: Counter() for name in ("person", "place", "verb", "stays", "facts", "since", "answer", "question")}
    for story in stories:
        found["facts"][len(story.facts)] += 1
        found["since"][len(story.facts) - 1 - story.supports[0]] += 1
        found["answer"][story.answer] += 1
        found["question"][" ".join(story.question[:-1])] += 1
        if len(story.facts) == 10:
            at = {}
            for name, *verb, place in story.facts:
                found["person"][name] += 1
                found["place"][place] += 1
                found["verb"][" ".join(verb)] += 1
                found["stays"][at.get(name) == place] += 1
                at[name] = place
    return found


@pytest.mark.data
def test_task_1_has_the_grammar_and_the_chances_of_the_published_file(artifact):
    path = next(path for name, path in artifact("babi_qa1").items() if "train" in name)
    published, ours = grammar(read_babi(path)), grammar(generate_babi(1, 10_000, seed=0))
    for name, counts in published.items():
        assert set(ours[name]) == set(counts), name
        total = sum(counts.values())
        for what, count in counts.items():
            share = count / total
            # Five standard errors of a difference of two shares; questions of a story hang together: twice that.
            error = 10 * (2 * share * (1 - share) / total) ** 0.5
            assert abs(share - ours[name][what] / total) <= error, (name, what)
    assert published["stays"] == {False: 20_000}


@pytest.mark.data
def test_the_solver_answers_the_published_file(artifact):
    for path in artifact("babi_qa1").values():
        for story in read_babi(path)[:1000]:
            assert solve([" ".join(words) for words in story.facts], " ".join(story.question)) == story.answer


def test_stories_are_told_as_a_file_and_by_their_seed():
    lines = write_babi(6, 12, seed=3)
    assert write_babi(6, 12, seed=3) == lines
    assert write_babi(6, 12, seed=4) != lines
    assert len(parse_babi(lines)) == 15  # whole stories of five
    assert len(generate_babi(6, 12, seed=3)) == 12
    assert generate_babi(6, 12, seed=3) == parse_babi(lines)[:12]
    assert write_babi(6, 0, seed=3) == []


def test_all_tasks_are_there():
    assert list(TELLERS) == list(TASKS) == list(range(1, 21))


@pytest.mark.parametrize(("task", "questions"), [(0, 1), (21, 1), (1, -1)])
def test_another_task_is_refused(task, questions):
    with pytest.raises(ValueError, match=f"a task of 1 to 20 and questions >= 0: {task}, {questions}"):
        write_babi(task, questions, 0)
