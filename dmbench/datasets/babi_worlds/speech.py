"""People who move, told with negation, doubt, pronouns, conjunctions and times: tasks 9 to 14.

Source: Weston et al. (2015), arXiv:1502.05698, section 3 and its examples. Each has five questions, two sentences
before each.
"""

from random import Random

from dmbench.datasets.babi_worlds.people import MOVES, PEOPLE, PLACES, QUESTIONS
from dmbench.datasets.babi_worlds.script import Script, other

FRIENDS = ("Bill", "Fred", "Julie", "Mary")
TOWN = ("bedroom", "cinema", "kitchen", "office", "park", "school")
PRONOUNS = {"Daniel": "he", "John": "he", "Mary": "she", "Sandra": "she"}
LATER = ("after that", "afterwards", "following that", "then")
TIMES = ("yesterday", "this morning", "this afternoon", "this evening")


def negated(random: Random) -> Script:
    """Tell task 9: asked is only what was told, that someone is in a place, or is not."""
    script = Script()
    at: dict[str, tuple[str, bool, int]] = {}  # a place, whether there or not, and the sentence
    for _ in range(QUESTIONS):
        for _ in range(2):
            person = random.choice(PEOPLE)
            place, there, _ = at.get(person, ("", False, 0))
            kind = random.choice(("goes", "is", "not"))
            if kind == "not" and there:
                told = script.tell(f"{person} is no longer in the {place}")
                at[person] = (place, False, told)
            elif kind == "not":
                place = other(random, PLACES, place)
                at[person] = (place, False, script.tell(f"{person} is not in the {place}"))
            else:
                place = other(random, PLACES, place)
                act = random.choice(MOVES) if kind == "goes" else "is in"
                at[person] = (place, True, script.tell(f"{person} {act} the {place}"))
        person = random.choice(sorted(at))
        place, there, told = at[person]
        if there and random.random() < 0.5:
            script.ask(f"Is {person} in the {other(random, PLACES, place)}", "no", [told])
        else:
            script.ask(f"Is {person} in the {place}", "yes" if there else "no", [told])
    return script


def indefinite(random: Random) -> Script:
    """Tell task 10: someone is in a place, or in either of two: yes, no or maybe."""
    script = Script()
    at: dict[str, tuple[tuple[str, ...], int]] = {}
    for _ in range(QUESTIONS):
        for _ in range(2):
            person = random.choice(FRIENDS)
            kind = random.choice(("goes", "is", "either"))
            places = tuple(random.sample([place for place in TOWN if place not in at.get(person, ((), 0))[0]], 2))
            if kind == "either":
                told = script.tell(f"{person} is either in the {places[0]} or the {places[1]}")
            else:
                places = places[:1]
                act = random.choice(MOVES) if kind == "goes" else "is in"
                told = script.tell(f"{person} {act} the {places[0]}")
            at[person] = (places, told)
        person = random.choice(sorted(at))
        places, told = at[person]
        if random.random() < 0.6:
            script.ask(f"Is {person} in the {random.choice(places)}", "maybe" if len(places) > 1 else "yes", [told])
        else:
            script.ask(f"Is {person} in the {other(random, TOWN, *places)}", "no", [told])
    return script


def coreference(random: Random) -> Script:
    """Tell task 11: the second sentence of each two has a pronoun."""
    script = Script()
    at: dict[str, tuple[str, tuple[int, ...]]] = {}
    for _ in range(QUESTIONS):
        person = random.choice(PEOPLE)
        place = other(random, PLACES, at.get(person, ("",))[0])
        first = script.tell(f"{person} {random.choice(MOVES)} the {place}")
        place = other(random, PLACES, place)
        second = script.tell(f"{random.choice(LATER)} {PRONOUNS[person]} {random.choice(MOVES)} the {place}")
        at[person] = (place, (first, second))
        person = random.choice(sorted(at))
        script.ask(f"Where is {person}", *at[person])
    return script


def conjunction(random: Random) -> Script:
    """Tell task 12: two go together."""
    script = Script()
    at: dict[str, tuple[str, tuple[int, ...]]] = {}
    for _ in range(QUESTIONS):
        for _ in range(2):
            _together(random, script, at)
        person = random.choice(sorted(at))
        script.ask(f"Where is {person}", *at[person])
    return script


def compound(random: Random) -> Script:
    """Tell task 13: two go together, and then "they" go on."""
    script = Script()
    at: dict[str, tuple[str, tuple[int, ...]]] = {}
    for _ in range(QUESTIONS):
        pair = _together(random, script, at)
        place, told = at[pair[0]]
        place = other(random, PLACES, place)
        second = script.tell(f"{random.choice(LATER)} they {random.choice(MOVES)} the {place}")
        at |= dict.fromkeys(pair, (place, (*told, second)))
        person = random.choice(sorted(at))
        script.ask(f"Where is {person}", *at[person])
    return script


def _together(random: Random, script: Script, at: dict[str, tuple[str, tuple[int, ...]]]) -> tuple[str, str]:
    one, two = random.sample(PEOPLE, 2)
    place = other(random, PLACES, *(at.get(person, ("",))[0] for person in (one, two)))
    told = script.tell(f"{one} and {two} {random.choice(MOVES)} the {place}")
    at |= dict.fromkeys((one, two), (place, (told,)))
    return one, two


def times(random: Random) -> Script:
    """Tell task 14: who was where when, in any order; asked is the place before another."""
    script = Script()
    was: dict[str, dict[int, tuple[str, int]]] = {person: {} for person in FRIENDS}
    person = random.choice(FRIENDS)
    plan = [person, person]
    while script.questions < QUESTIONS:
        for _ in range(2):
            able = [one for one in FRIENDS if len(was[one]) < len(TIMES)]
            person = plan.pop() if plan else random.choice(able)
            time = random.choice([time for time in range(len(TIMES)) if time not in was[person]])
            place = other(random, TOWN, *(place for place, _ in was[person].values()))
            act = f"{person} {random.choice(MOVES)} the {place}"
            said = f"{TIMES[time]} {act}" if random.random() < 0.5 else f"{act} {TIMES[time]}"
            was[person][time] = place, script.tell(said)
        person = random.choice([one for one in FRIENDS if len(was[one]) > 1])
        order = [was[person][time] for time in sorted(was[person])]
        which = random.randrange(1, len(order))
        (before, first), (place, second) = order[which - 1 : which + 1]
        script.ask(f"Where was {person} before the {place}", before, [first, second])
    return script
