"""People who move, and take, leave and give things: tasks 1, 2, 3, 5, 6, 7 and 8.

Source: Weston et al. (2015), arXiv:1502.05698, section 3 and its examples. Of task 1 the grammar, lengths and chances
are those of the published file: five questions, two sentences before each; a person goes where he is not yet.
"""

from random import Random

from dmbench.datasets.babi_worlds.script import Script, other

PEOPLE = ("Daniel", "John", "Mary", "Sandra")
GIVERS = ("Bill", "Fred", "Jeff", "Mary")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
THINGS = ("apple", "football", "milk")
MOVES = ("journeyed to", "moved to", "travelled to", "went back to", "went to")
TAKES = ("got", "grabbed", "picked up", "took")
LEAVES = ("discarded", "dropped", "left", "put down")
GIVES = ("gave", "handed", "passed")
NUMBERS = ("none", "one", "two", "three")
QUESTIONS = 5
RECENT = 5


class World:
    """Who is where, and who carries what, as far as it was told.

    at: a person's place, None before it was told. holder, dropped: of a thing, None before. carried: in the order in
    which things were taken. history: places of a thing, one after another. said: the sentence that told of a place.
    """

    def __init__(self, random: Random, people: tuple[str, ...] = PEOPLE) -> None:
        self.random, self.people, self.script = random, people, Script()
        self.at: dict[str, str | None] = dict.fromkeys(people)
        self.holder: dict[str, str | None] = dict.fromkeys(THINGS)
        self.dropped: dict[str, str | None] = dict.fromkeys(THINGS)
        self.carried: dict[str, list[str]] = {person: [] for person in people}
        self.history: dict[str, list[tuple[str, tuple[int, ...]]]] = {thing: [] for thing in THINGS}
        self.said: dict[str, int] = {}
        self.gift = ("", "", "", 0)

    def step(self, *acts: str) -> str:
        """Let something happen that can, of these kinds, each as likely; return its kind."""
        able = [act for act in acts if getattr(self, f"can_{act}")()]
        act = self.random.choice(able)
        getattr(self, act)()
        return act

    def can_move(self) -> bool:
        return True

    def move(self) -> str:
        """Let someone go elsewhere; return who."""
        person = self.random.choice(self.people)
        place = other(self.random, PLACES, self.at[person])
        self.said[person] = self.script.tell(f"{person} {self.random.choice(MOVES)} the {place}")
        self.at[person] = place
        for thing in self.carried[person]:
            self._comes(thing, place, self.said[person])
        return person

    def takes(self) -> list[tuple[str, str]]:
        """Who can take what: someone whose place is known, a thing that lies there or was not yet told of."""
        return [
            (person, thing)
            for person in self.people
            for thing in THINGS
            if self.at[person] and self.holder[thing] is None and self.dropped[thing] in (None, self.at[person])
        ]

    def can_take(self) -> bool:
        return bool(self.takes())

    def take(self) -> None:
        person, thing = self.random.choice(self.takes())
        told = self.script.tell(f"{person} {self.random.choice(TAKES)} the {thing}{self._there()}")
        self.holder[thing], self.dropped[thing], self.said[thing] = person, None, told
        self.carried[person].append(thing)
        self._comes(thing, str(self.at[person]), told, self.said[person])

    def can_leave(self) -> bool:
        return any(self.holder.values())

    def leave(self) -> None:
        thing = self.random.choice([thing for thing in THINGS if self.holder[thing]])
        person = str(self.holder[thing])
        self.said[thing] = self.script.tell(f"{person} {self.random.choice(LEAVES)} the {thing}{self._there()}")
        self.holder[thing], self.dropped[thing] = None, self.at[person]
        self.said[thing + " place"] = self.said[person]
        self.carried[person].remove(thing)

    def gives(self) -> list[tuple[str, str, str]]:
        """Who can give what to whom: to someone who is there, or may be, as nothing else was told."""
        return [
            (str(giver), thing, taker)
            for thing, giver in self.holder.items()
            for taker in self.people
            if giver and taker != giver and self.at[taker] in (None, self.at[giver])
        ]

    def can_give(self) -> bool:
        return bool(self.gives())

    def give(self) -> None:
        giver, thing, taker = self.random.choice(self.gives())
        told = self.script.tell(f"{giver} {self.random.choice(GIVES)} the {thing} to {taker}")
        self.at[taker] = self.at[giver]
        self.said[taker] = self.said[giver]
        self.holder[thing], self.said[thing] = taker, told
        self.carried[giver].remove(thing)
        self.carried[taker].append(thing)
        self.gift = (giver, thing, taker, told)

    def place_of(self, thing: str) -> str | None:
        """Where a thing is, as far as it was told."""
        holder = self.holder[thing]
        return self.dropped[thing] if holder is None else self.at[holder]

    def why(self, thing: str) -> tuple[int, int]:
        """Which two sentences tell where a thing is."""
        holder = self.holder[thing]
        return self.said[thing], self.said[thing + " place" if holder is None else holder]

    def _comes(self, thing: str, place: str, *told: int) -> None:
        if not self.history[thing] or self.history[thing][-1][0] != place:
            self.history[thing].append((place, told))

    def _there(self) -> str:
        return self.random.choice(("", " there"))


def where_is_person(random: Random) -> Script:
    """Tell task 1: asked is about whom one of the last five sentences was, each as likely, as in the published file."""
    world, told = World(random), []
    for _ in range(QUESTIONS):
        for _ in range(2):
            told.append(world.move())
        person = random.choice(told[-RECENT:])
        world.script.ask(f"Where is {person}", str(world.at[person]), [world.said[person]])
    return world.script


def where_is_thing(random: Random) -> Script:
    """Tell task 2."""
    world, since = World(random), 0
    while world.script.questions < QUESTIONS:
        world.step("move", "take", "leave")
        since += 1
        known = [thing for thing in THINGS if world.place_of(thing)]
        if since > 1 and known and random.random() < 0.5:
            thing = random.choice(known)
            world.script.ask(f"Where is the {thing}", str(world.place_of(thing)), world.why(thing))
            since = 0
    return world.script


def where_was_thing(random: Random) -> Script:
    """Tell task 3: a place where the thing was once, and the place before."""
    world, since = World(random), 0
    while world.script.questions < QUESTIONS:
        world.step("move", "take", "leave")
        since += 1
        able = []
        for thing, history in world.history.items():
            places = [place for place, _ in history]
            able += [(thing, t) for t in range(1, len(places)) if places.count(places[t]) == 1]
        if since > 2 and able and random.random() < 0.5:
            thing, t = random.choice(able)
            (before, first), (place, second) = world.history[thing][t - 1 : t + 1]
            world.script.ask(f"Where was the {thing} before the {place}", before, sorted({*first, *second}))
            since = 0
    return world.script


def who_gave_what(random: Random) -> Script:
    """Tell task 5: of the last gift, one of its three parts."""
    world, since = World(random, GIVERS), 0
    while world.script.questions < QUESTIONS:
        act = world.step("move", "take", "give")
        since += 1
        if since > 1 and act == "give":
            giver, thing, taker, told = world.gift
            question, answer = random.choice(
                (
                    (f"What did {giver} give to {taker}", thing),
                    (f"Who gave the {thing} to {taker}", giver),
                    (f"Who gave the {thing}", giver),
                    (f"Who did {giver} give the {thing} to", taker),
                    (f"Who received the {thing}", taker),
                )
            )
            world.script.ask(question, answer, [told])
            since = 0
    return world.script


def is_person_there(random: Random) -> Script:
    """Tell task 6: as often yes as no."""
    world = World(random)
    for _ in range(QUESTIONS):
        for _ in range(random.randint(2, 4)):
            world.step("move", "move", "take", "leave")
        person = random.choice([person for person in world.people if world.at[person]])
        place, answer = str(world.at[person]), "yes"
        if random.random() < 0.5:
            place, answer = other(random, PLACES, place), "no"
        world.script.ask(f"Is {person} in the {place}", answer, [world.said[person]])
    return world.script


def how_many_things(random: Random) -> Script:
    """Tell task 7."""
    return _carrying(random, "How many objects is {} carrying", lambda carried: NUMBERS[len(carried)])


def which_things(random: Random) -> Script:
    """Tell task 8: in the order in which they were taken."""
    return _carrying(random, "What is {} carrying", lambda carried: ",".join(carried) or "nothing")


def _carrying(random: Random, question: str, answer) -> Script:  # type: ignore[no-untyped-def]
    world = World(random)
    touched: dict[str, list[int]] = {}
    while world.script.questions < QUESTIONS:
        before = {person: list(carried) for person, carried in world.carried.items()}
        world.step("move", "take", "leave", "give")
        for person, carried in world.carried.items():
            if carried != before[person]:
                touched.setdefault(person, []).append(len(world.script.lines))
        if touched and random.random() < 0.4:
            person = random.choice(sorted(touched))
            world.script.ask(question.format(person), answer(world.carried[person]), touched[person])
    return world.script
