"""VQA accuracy: how far an answer agrees with those of ten people.

Source: Antol et al. (2015), VQA: Visual Question Answering, arXiv:1505.00468, section 3: min(n / 3, 1), n people who
gave the answer. The official evaluation (GT-Vision-Lab/VQA, vqaEval.py) takes the mean over all ten choices of nine of
the ten, as people are scored by the other nine, and compares answers after `normalise`; both are followed here to its
oddities, which are named below.
"""

import re
from collections.abc import Sequence

PEOPLE = 10
MARKS = ';/[]"{}()=+\\_-><@`,?!'
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
DIGITS = {word: str(i) for i, word in enumerate(NUMBERS)} | {"none": "0"}
ARTICLES = ("a", "an", "the")
ONCE = """
'twas ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll
how's isn't it'd it'll ma'am might've mightn't must've mustn't needn't not've o'clock oughtn't shan't
should've shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's
there'd there're there's they'd they'll they're they've wasn't we've weren't what'll what're what's what've
when's where'd where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all
you'd you'll you're you've
"""
TWICE = """
'ow's'at couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'd've y'all'll you'd've
"""
# A contraction gets its apostrophe back: its only one, or the one of several that is missing. The official table has
# somebody'd the other way round.
CONTRACTIONS = {word.replace("'", ""): word for word in ONCE.split()}
CONTRACTIONS |= {word[:i] + word[i + 1 :]: word for word in TWICE.split() for i, mark in enumerate(word) if mark == "'"}
CONTRACTIONS |= {"somebody'd": "somebodyd"}


def vqa_accuracy(answer: str, people: Sequence[str]) -> float:
    """Return the accuracy of an answer, 0 to 1.

    Of ten people who gave it none, 1, 2, 3, 4 or more, it is 0, 0.3, 0.6, 0.9, 1.

    As officially: where all people agree their answer is taken as it stands, otherwise its punctuation is removed; of
    neither are articles or number words changed, as they are of `answer`.

    Args:
        answer: of the model. people: the ten answers.

    Raises:
        ValueError: there are not ten of them.
    """
    if len(people) != PEOPLE:
        raise ValueError(f"need the answers of {PEOPLE} people: {len(people)}")
    given = normalise(answer)
    theirs = [unpunctuated(one) for one in people] if len(set(people)) > 1 else list(people)
    same = [one == given for one in theirs]
    return sum(min(1.0, (sum(same) - one) / 3) for one in same) / PEOPLE


def accuracies(answers: Sequence[str], people: Sequence[Sequence[str]], groups: Sequence[str]) -> dict[str, float]:
    """Return the mean accuracy over questions, %, in "all" and by group.

    groups: of each question, such as its type of answer; none is called "all".

    Raises:
        ValueError: there are no answers, counts differ, or a question has not ten people's answers.
    """
    if not answers or not len(answers) == len(people) == len(groups):
        raise ValueError(f"need people's answers and a group for each: {len(answers)}, {len(people)}, {len(groups)}")
    found: dict[str, list[float]] = {"all": []}
    for answer, theirs, group in zip(answers, people, groups, strict=True):
        value = vqa_accuracy(answer, theirs)
        found["all"].append(value)
        found.setdefault(group, []).append(value)
    return {group: 100 * sum(values) / len(values) for group, values in found.items()}


def normalise(answer: str) -> str:
    """Return an answer as it is compared: lower case, without punctuation and articles, numbers up to ten as digits.

    Contractions get their apostrophes.
    """
    words = unpunctuated(answer.replace("\n", " ").replace("\t", " ").strip()).lower().split()
    words = [DIGITS.get(word, word) for word in words]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def unpunctuated(answer: str) -> str:
    """Remove punctuation marks: those next to a space, or all where a comma divides digits; else they become spaces.

    Full stops go unless a digit follows, 32 at most: the official code hands a flag over as a count.
    """
    divided = re.search(r"\d,\d", answer)
    found = answer
    for mark in MARKS:
        alone = divided or f"{mark} " in answer or f" {mark}" in answer
        found = found.replace(mark, "" if alone else " ")
    return re.sub(r"\.(?!\d)", "", found, count=32)
