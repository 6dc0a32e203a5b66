"""babi: a file read by hand, the published one by its counts, encoding, damaged files."""

import pytest
import torch

from dmbench.datasets.babi import Encoded, Story, Vocabulary, encode, parse_babi, read_babi

TEXT = """1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Mary got the milk there.
5 What is Mary carrying?\tmilk,Football\t4 1
1 Lily is a swan.
2 What color is Lily?\twhite
"""
STORIES = [
    Story(
        (("mary", "moved", "to", "the", "bathroom"), ("john", "went", "to", "the", "hallway")),
        ("where", "is", "mary"),
        "bathroom",
        (0,),
    ),
    Story(
        (
            ("mary", "moved", "to", "the", "bathroom"),
            ("john", "went", "to", "the", "hallway"),
            ("mary", "got", "the", "milk", "there"),
        ),
        ("what", "is", "mary", "carrying"),
        "milk,football",
        (2, 0),
    ),
    Story((("lily", "is", "a", "swan"),), ("what", "color", "is", "lily"), "white"),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qa1_train.txt"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_is_read_whatever_its_line_ends(path, end, mark):
    path.write_bytes((mark + TEXT.replace("\n", end) + end).encode())
    assert read_babi(path) == STORIES


@pytest.mark.data
@pytest.mark.parametrize(("part", "count"), [("train", 10_000), ("test", 1000)])
def test_the_published_file_has_its_questions_words_and_answers(artifact, part, count):
    stories = read_babi(next(path for name, path in artifact("babi_qa1").items() if part in name))
    vocabulary = Vocabulary.of(stories)
    assert len(stories) == count
    assert (len(vocabulary.words), len(vocabulary.answers)) == (19, 6)
    for story in stories:
        (support,) = story.supports
        assert story.facts[support][0] == story.question[-1]
        assert story.facts[support][-1] == story.answer


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("3 Where is Mary?", "line 3: a question without an answer behind a tab: 'Where is Mary\\?'"),
        ("3 Where is Mary?\t\t1", "line 3: a question without an answer"),
        ("3 Where is Mary\t", "line 3: a question without an answer behind a tab: 'Where is Mary'"),
        ("Where is Mary?\tbathroom\t1", "line 3: need a number and a sentence: 'Where is Mary"),
        ("3", "line 3: need a number and a sentence: '3'"),
        ("4 Mary left.", "line 3: need the number 3, or 1 for a new story: 4"),
        ("3 Where is Mary?\tbathroom\t7", "line 3: sentences that support an answer are not told: 7"),
        ("3 Where is Mary?\tbathroom\tx", "not told: x"),
    ],
)
def test_a_damaged_line_is_named(path, line, why):
    path.write_text("1 Mary moved to the bathroom.\n2 John went to the hallway.\n" + line)
    with pytest.raises(ValueError, match=f"qa1_train.txt, .*{why}"):
        read_babi(path)


def test_what_is_no_text_is_refused_by_its_path(path):
    path.write_bytes(b"1 Mary \xff\xfe")
    with pytest.raises(ValueError, match=r"qa1_train.txt: no text in UTF-8"):
        read_babi(path)


def test_no_lines_are_no_stories():
    assert parse_babi([]) == []
    assert parse_babi(["", "  "]) == []


def test_encoding_is_the_numbers_of_words_padded_behind():
    vocabulary = Vocabulary.of(STORIES)
    assert sorted(vocabulary.words.values()) == list(range(1, len(vocabulary.words) + 1))
    assert vocabulary.answers == {"bathroom": 0, "milk,football": 1, "white": 2}
    found = encode(STORIES, vocabulary)
    words = {number: word for word, number in vocabulary.words.items()}
    for place, story in enumerate(STORIES):
        told = [tuple(words[n] for n in row if n) for row in found.facts[place].tolist()]
        assert told == [*story.facts, *[()] * (3 - len(story.facts))]
        assert tuple(words[n] for n in found.questions[place].tolist() if n) == story.question
    assert found.answers.tolist() == [0, 1, 2]
    assert found.facts[0, 0].tolist() == [vocabulary.words[word] for word in STORIES[0].facts[0]]


def test_only_the_last_sentences_before_a_question_are_taken():
    vocabulary = Vocabulary.of(STORIES)
    found = encode(STORIES, vocabulary, facts=2).facts
    assert found.shape == (3, 2, 5)
    torch.testing.assert_close(found[1], encode(STORIES, vocabulary).facts[1, 1:], rtol=0, atol=0)


def test_some_of_the_stories_have_no_more_sentences_than_they_need():
    found = encode(STORIES, Vocabulary.of(STORIES))
    some = found.take(torch.tensor([2, 0]))
    assert isinstance(some, Encoded)
    assert some.facts.shape == (2, 2, 5)
    assert some.answers.tolist() == [2, 0]
    assert found.take(slice(0)).facts.shape == (0, 0, 5)
    assert encode([], Vocabulary({}, {})).answers.shape == (0,)


def test_an_unknown_word_or_answer_and_a_story_without_sentences_are_refused_by_their_place():
    vocabulary = Vocabulary.of(STORIES[:2])
    with pytest.raises(ValueError, match="story 1 has 'lily', which is not in the vocabulary"):
        encode([STORIES[0], STORIES[2]], vocabulary)
    with pytest.raises(ValueError, match="story 0 has 'attic', which is not in the vocabulary"):
        encode([STORIES[0]._replace(answer="attic")], vocabulary)
    with pytest.raises(ValueError, match="story 1 has no sentence before its question"):
        encode([STORIES[0], STORIES[1]._replace(facts=())], vocabulary)
