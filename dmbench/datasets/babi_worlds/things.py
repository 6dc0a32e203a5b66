"""Places, animals, shapes, sizes, paths and motives: tasks 4 and 15 to 20.

Source: Weston et al. (2015), arXiv:1502.05698, section 3 and its examples. Lengths are those of the published examples:
2 sentences and a question in task 4, 8 and 4 in 15, 9 and 1 in 16, 2 and 8 in 17, 5 and 1 in 19.
"""

from itertools import permutations
from random import Random

from dmbench.datasets.babi_worlds.people import MOVES, PLACES, TAKES
from dmbench.datasets.babi_worlds.script import Script, other

COMPASS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}
PREY = {"cat": "cats", "mouse": "mice", "sheep": "sheep", "wolf": "wolves"}
NAMED = ("Emily", "Gertrude", "Jessica", "Winona")
ANIMALS = ("frog", "lion", "rhino", "swan")
COLOURS = ("gray", "green", "white", "yellow")
OWNERS = ("Bernhard", "Brian", "Greg", "Julius", "Lily")
SHAPES = ("blue square", "pink rectangle", "red sphere", "red square", "triangle", "yellow square")
SIDES = {"to the left of": (-1, 0), "to the right of": (1, 0), "above": (0, 1), "below": (0, -1)}
BOXES = ("box", "chest", "container", "suitcase")
SWEETS = ("chocolate", "box of chocolates")  # the smallest, in this order
BORED = ("Antoine", "Jason", "Sumit", "Yann")
MOTIVES = {
    "bored": ("garden", "football"),
    "hungry": ("kitchen", "apple"),
    "thirsty": ("kitchen", "milk"),
    "tired": ("bedroom", "pajamas"),
}


def two_arguments(random: Random) -> Script:
    """Tell task 4: two places on two sides of a third; a question may turn a sentence round."""
    script = Script()
    middle, *ends = random.sample(PLACES, 3)
    facts = []
    for end, side in zip(ends, random.sample(sorted(COMPASS), 2), strict=True):
        if random.random() < 0.5:
            facts.append((end, side, middle, script.tell(f"the {end} is {side} of the {middle}")))
        else:
            facts.append((end, side, middle, script.tell(f"the {middle} is {OPPOSITE[side]} of the {end}")))
    end, side, middle, told = random.choice(facts)
    if random.random() < 0.5:
        script.ask(f"What is {side} of the {middle}", end, [told])
    else:
        script.ask(f"What is the {middle} {OPPOSITE[side]} of", end, [told])
    return script


def deduction(random: Random) -> Script:
    """Tell task 15."""
    script = Script()
    fears = {kind: other(random, PREY, kind) for kind in PREY}
    kinds = {name: random.choice(sorted(PREY)) for name in NAMED}
    said = {}
    for subject in random.sample([*PREY, *NAMED], len(PREY) + len(NAMED)):
        if subject in PREY:
            said[subject] = script.tell(f"{PREY[subject]} are afraid of {PREY[fears[subject]]}")
        else:
            said[subject] = script.tell(f"{subject} is a {kinds[subject]}")
    for name in random.sample(NAMED, len(NAMED)):
        script.ask(f"What is {name.lower()} afraid of", fears[kinds[name]], sorted((said[name], said[kinds[name]])))
    return script


def induction(random: Random) -> Script:
    """Tell task 16: animals of a kind have one colour here; asked is about one whose colour was not told."""
    script = Script()
    colours = dict(zip(ANIMALS, random.sample(COLOURS, len(COLOURS)), strict=True))
    asked, like = random.sample(OWNERS, 2)
    kinds = {name: random.choice(ANIMALS) for name in OWNERS}
    kinds[asked] = kinds[like]
    facts = [(name, "kind") for name in OWNERS] + [(name, "colour") for name in OWNERS if name != asked]
    support = []
    for name, what in random.sample(facts, len(facts)):
        told = script.tell(f"{name} is a {kinds[name]}" if what == "kind" else f"{name} is {colours[kinds[name]]}")
        if kinds[name] == kinds[asked]:
            support.append(told)
    script.ask(f"What color is {asked}", colours[kinds[asked]], support)
    return script


def positions(random: Random) -> Script:
    """Tell task 17: three shapes on a grid, each told to be next to another; as often yes as no where both can be."""
    script = Script()
    shapes = random.sample(SHAPES, 3)
    at = {shapes[0]: (0, 0)}
    while len(at) < 3:
        shape, near = shapes[len(at)], random.choice(sorted(at))
        side = random.choice(sorted(SIDES))
        place = at[near][0] + SIDES[side][0], at[near][1] + SIDES[side][1]
        if place in at.values():
            continue
        at[shape] = place
        if random.random() < 0.5:
            opposite = next(name for name, step in SIDES.items() if step == (-SIDES[side][0], -SIDES[side][1]))
            shape, near, side = near, shape, opposite
        script.tell(f"the {shape} is {side} the {near}")
    options: dict[str, list[str]] = {"yes": [], "no": []}
    for one, two in permutations(shapes, 2):
        for side, (x, y) in SIDES.items():
            yes = (at[one][0] - at[two][0]) * x + (at[one][1] - at[two][1]) * y > 0
            options["yes" if yes else "no"].append(f"Is the {one} {side} the {two}")
    for _ in range(8):
        answer = random.choice(("yes", "no"))
        question = options[answer].pop(random.randrange(len(options[answer])))
        script.ask(question, answer, [1, 2])
        if not options[answer]:
            break
    return script


def sizes(random: Random) -> Script:
    """Tell task 18: asked is what two or more sentences together tell, as often yes as no."""
    script = Script()
    order = [*SWEETS, *random.sample(BOXES, len(BOXES))]
    chain = sorted(random.sample(range(len(order)), 3))
    facts = {(chain[0], chain[1]), (chain[1], chain[2])}
    for _ in range(random.randint(2, 5)):
        small, large = sorted(random.sample(range(len(order)), 2))
        facts.add((small, large))
    facts.discard((chain[0], chain[2]))
    said = {}
    for small, large in random.sample(sorted(facts), len(facts)):
        one, two = order[small], order[large]
        bigger = random.random() < 0.5
        said[small, large] = script.tell(
            f"the {two} is bigger than the {one}" if bigger else f"the {one} fits inside the {two}"
        )
    known = [
        (small, large, middle)
        for small in range(len(order))
        for large in range(small + 2, len(order))
        for middle in range(small + 1, large)
        if (small, large) not in said and {(small, middle), (middle, large)} <= set(said)
    ]
    for _ in range(5):
        small, large, middle = random.choice(known)
        yes = random.random() < 0.5
        one, two = (order[small], order[large]) if yes else (order[large], order[small])
        question = random.choice((f"Does the {one} fit in the {two}", f"Is the {two} bigger than the {one}"))
        script.ask(question, "yes" if yes else "no", sorted((said[small, middle], said[middle, large])))
    return script


def paths(random: Random) -> Script:
    """Tell task 19: six places, joined by five sentences without a ring; asked is a way of two steps."""
    script = Script()
    places = random.sample(PLACES, len(PLACES))
    at = {places[0]: (0, 0)}
    edges: dict[tuple[str, str], str] = {}  # from, to: where one has to go
    facts = []
    for place in places[1:]:
        free = [
            (near, side, cell)
            for near, (x, y) in at.items()
            for side, (dx, dy) in COMPASS.items()
            if (cell := (x + dx, y + dy)) not in at.values()
        ]
        near, side, at[place] = random.choice(free)
        edges[near, place], edges[place, near] = side, OPPOSITE[side]
        facts.append((place, side, near) if random.random() < 0.5 else (near, OPPOSITE[side], place))
    said = {}
    for one, side, two in random.sample(facts, len(facts)):
        said[one, two] = said[two, one] = script.tell(f"the {one} is {side} of the {two}")
    ways = [(a, b, c) for a, b in edges for d, c in edges if b == d and a != c]
    a, b, c = random.choice(ways)
    script.ask(f"How do you go from the {a} to the {c}", f"{edges[a, b][0]},{edges[b, c][0]}", [said[a, b], said[b, c]])
    return script


def motives(random: Random) -> Script:
    """Tell task 20: someone feels something, goes where that leads, and takes what he wants there."""
    script = Script()
    feels = dict(zip(BORED, random.sample(sorted(MOTIVES), len(MOTIVES)), strict=True))
    stage = dict.fromkeys(BORED, 0)
    first: dict[str, int] = {}
    while any(done < 3 for done in stage.values()):
        person = random.choice([one for one in BORED if stage[one] < 3])
        motive = feels[person]
        place, thing = MOTIVES[motive]
        stage[person] += 1
        if stage[person] == 1:
            first[person] = script.tell(f"{person} is {motive}")
            script.ask(f"Where will {person.lower()} go", place, [first[person]])
        elif stage[person] == 2:
            script.tell(f"{person} {random.choice(MOVES)} the {place}")
            script.ask(f"Why did {person.lower()} go to the {place}", motive, [first[person]])
        else:
            script.tell(f"{person} {random.choice(TAKES)} the {thing} there")
            script.ask(f"Why did {person.lower()} get the {thing}", motive, [first[person]])
    return script
