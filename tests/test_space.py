"""Search spaces: counts by enumeration, texts, neighbours, draws; networks against equations as loops; errors."""

import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from dmbench import check
from dmbench.experiments import space as experiment
from dmbench.harness.errors import ContractError
from dmbench.nas.parts.cell_201 import EDGES, unique
from dmbench.nas.parts.operations import OPERATIONS, operation
from dmbench.nas.parts.tree_cell import Tree, TreeCell
from dmbench.nas.space import (
    Decision,
    Space,
    chain,
    darts,
    figure_5,
    figure_7,
    genotype,
    layer_chain,
    nas_bench_201,
    recurrent_tree,
)

few = settings(deadline=None, max_examples=15, derandomize=True)
CELL, CHAIN, TREE, DARTS, LAYERS = nas_bench_201(), chain(3), recurrent_tree(4), darts(), layer_chain(3, 9)
SPACES = (CELL, CHAIN, chain(4, strides=(1, 2, 3)), chain(3, anchors=False), TREE, DARTS, LAYERS)
SMALL = (
    Space("small", [Decision("a", (0, 1, 2)), Decision("b", ("x",)), Decision("c", (False, True))]),
    chain(2, (1, 3), (4, 8)),
    recurrent_tree(1),
    layer_chain(2, 4),
)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("space", SMALL, ids=repr)
def test_a_space_is_counted_as_its_points_are(space):
    points = list(space.points())
    assert len(points) == len(set(points)) == space.count()
    assert all(point in space for point in points)
    first = points[0][:1]
    assert space.count(first) == sum(point[:1] == first for point in points)


@pytest.mark.parametrize("space", SPACES, ids=repr)
@few
@given(seed=st.integers(0, 10_000))
def test_text_and_points_are_one_to_one(space, seed):
    random = torch.Generator().manual_seed(seed)
    point, other = space.sample(random), space.sample(random)
    assert space.decode(space.encode(point)) == point
    assert (space.encode(point) == space.encode(other)) == (point == other)
    near = space.mutate(point, random)
    assert near in space
    assert near != point
    assert near in space.neighbours(point)
    assert point in space.neighbours(near)


@pytest.mark.parametrize("space", SMALL[:3], ids=repr)
def test_neighbours_of_a_product_differ_in_one_decision(space):
    points = list(space.points())
    for point in points:
        wanted = [one for one in points if sum(a != b for a, b in zip(one, point, strict=True)) == 1]
        found = space.neighbours(point)
        assert sorted(found) == wanted
        assert len(set(found)) == len(found)


def test_neighbours_of_a_chain_change_take_out_or_put_in_a_layer():
    points = list(SMALL[3].points())

    def near(one, other):
        short, long = sorted((one, other), key=len)
        if len(short) == len(long):
            return sum(a != b for a, b in zip(short, long, strict=True)) == 1
        return any(short == long[:i] + long[i + 1 :] for i in range(len(long))) and len(long) == len(short) + 1

    for point in points[::7]:
        assert sorted(SMALL[3].neighbours(point)) == sorted(one for one in points if near(point, one))


@pytest.mark.parametrize("space", [SMALL[0], layer_chain(2, 2)], ids=repr)
def test_all_points_are_equally_likely(space):
    random = torch.Generator().manual_seed(0)
    draws = 60 * space.count()
    counts = Counter(space.sample(random) for _ in range(draws))
    squares = sum((counts[point] - 60) ** 2 / 60 for point in space.points())
    # Chi square, mean k - 1 and deviation sqrt(2 (k - 1)): four deviations.
    assert squares < space.count() - 1 + 4 * math.sqrt(2 * (space.count() - 1))


def test_a_mutation_changes_each_decision_and_to_each_choice_as_often():
    random = torch.Generator().manual_seed(0)
    counts = Counter(CELL.mutate((0, 1, 2, 3, 4, 0), random) for _ in range(2400))
    assert len(counts) == 24
    assert max(abs(count - 100) for count in counts.values()) < 45  # 4.5 deviations


def test_every_chain_of_layers_keeps_the_papers_rules():
    for point in LAYERS.points():
        tokens = LAYERS.values(point)
        kinds = [token.kind for token in tokens]
        size, dense = 9, [token.width for token in tokens if token.kind == "dense"]
        assert kinds[-1] == "end"
        assert 1 <= len(kinds[:-1]) <= 3
        assert "end" not in kinds[:-1]
        assert len(dense) <= 2
        assert dense == sorted(dense, reverse=True)
        for i, token in enumerate(tokens[:-1]):
            if token.kind == "dense":
                assert size <= 8
                assert set(kinds[i:-1]) == {"dense"}
            else:
                assert token.window <= size
            if token.kind == "pool":
                assert kinds[i + 1] != "pool"
                size = (size - token.window) // token.stride + 1


def test_a_network_of_every_space_trains_a_step():
    random = torch.Generator().manual_seed(3)
    options = {id(CELL): {"channels": 4, "cells": 1}, id(DARTS): {"filters": 4, "cells": 3}}
    for space in (CELL, CHAIN, chain(3, strides=(1, 2, 3)), DARTS, LAYERS):
        net = space.build(space.sample(random), **options.get(id(space), {}))
        size = 9 if space is LAYERS else 8
        scores = net(noise(2, 3, size, size).float())
        assert scores.shape == (2, 10)
        scores.sum().backward()
        assert all(one.grad is None or one.grad.isfinite().all() for one in net.parameters())


@few
@given(st.lists(st.integers(0, 4), min_size=6, max_size=6), st.integers(0, 100))
def test_a_cell_adds_what_its_edges_make_of_the_nodes_before(point, seed):
    net = CELL.build(point, channels=4, cells=1).double().eval()
    cell = net[2]
    x = noise(2, 4, 5, 5, seed=seed)
    nodes = {0: x}
    for to in (1, 2, 3):
        nodes[to] = sum(
            _edge(CELL.values(point)[i], cell.edges[i], nodes[source])
            for i, (end, source) in enumerate(EDGES)
            if end == to
        )
    torch.testing.assert_close(cell(x), nodes[3], rtol=0, atol=1e-12)


def _edge(name, module, x):
    if name == "none":
        return torch.zeros_like(x)
    if name == "skip_connect":
        return x
    if name == "avg_pool_3x3":
        ones = F.avg_pool2d(torch.ones_like(x), 3, 1, 1)
        return F.avg_pool2d(x, 3, 1, 1) / ones
    _, convolution, norm = module
    weight = convolution.weight
    return F.conv2d(x.relu(), weight, padding=weight.shape[-1] // 2) / math.sqrt(1 + norm.eps)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_the_channels_and_divides_the_size_by_its_stride(name, stride):
    x = noise(2, 4, 6, 6).float().requires_grad_()
    y = operation(name, 4, stride)(x)
    assert y.shape == (2, 4, 6 // stride, 6 // stride)
    assert not name.startswith("none") or y.abs().max() == 0


def test_the_outer_pixels_are_averaged_over_what_there_is():
    assert operation("avg_pool_3x3", 1)(torch.ones(1, 1, 3, 3)).tolist() == torch.ones(1, 1, 3, 3).tolist()


@few
@given(st.sampled_from([1, 2, 4]), st.integers(0, 1000))
def test_a_tree_is_its_equations(base, seed):
    space = recurrent_tree(base)
    point = space.sample(torch.Generator().manual_seed(seed))
    cell = space.build(point, input_size=3, hidden_size=2).double()
    x, h, c = noise(4, 5, 3, seed=seed), noise(5, 2, seed=seed + 1), noise(5, 2, seed=seed + 2)
    values = space.values(point)
    combine = {"add": lambda a, b: a + b, "elem_mult": lambda a, b: a * b}
    squash = {"identity": lambda a: a, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}
    wanted = []
    for x_t in x:
        level = [(x_t @ w.weight.T, h @ v.weight.T) for w, v in zip(cell.from_x, cell.from_h, strict=True)]
        done, before, node = [], [], 0
        while level:
            above = []
            for a, b in level:
                before.append(combine[values[2 * node]](a, b))
                out = squash[values[2 * node + 1]](before[-1])
                if node == values[-1]:
                    out = squash[values[-3]](combine[values[-4]](out, c))
                done.append(out)
                above.append(out)
                node += 1
            level = list(zip(above[::2], above[1::2], strict=True)) if len(above) > 1 else []
        h, c = done[-1], before[values[-2]]
        wanted.append(h)
    y, (last_h, last_c) = cell(x, (noise(5, 2, seed=seed + 1), noise(5, 2, seed=seed + 2)))
    torch.testing.assert_close(y, torch.stack(wanted), rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.stack([last_h, last_c]), torch.stack([h, c]), rtol=0, atol=1e-12)


def test_figure_5_is_the_cell_that_the_paper_writes_out():
    cell = recurrent_tree(2).build(figure_5(), input_size=3, hidden_size=2).double()
    x, h, c = noise(1, 4, 3), noise(4, 2, seed=1), noise(4, 2, seed=2)
    (w1, w3), (w2, w4) = ([one.weight for one in part] for part in (cell.from_x, cell.from_h))
    a0 = torch.tanh(x[0] @ w1.T + h @ w2.T)
    product = (x[0] @ w3.T) * (h @ w4.T)
    a0 = torch.relu(a0 + c)
    y, (_, after) = cell(x, (h, c))
    torch.testing.assert_close(y[0], torch.sigmoid(a0 * torch.relu(product)), rtol=0, atol=1e-14)
    torch.testing.assert_close(after, product, rtol=0, atol=1e-14)


def test_a_chain_puts_its_inputs_side_by_side_and_smaller_maps_into_a_corner():
    space = chain(3, (1, 3), (2, 3), strides=(1, 2))
    # Layer 1 halves the rows; layer 2 reads both before it.
    point = space.decode(
        "0.height=3 0.width=1 0.filters=2 0.stride_height=1 0.stride_width=1 "
        "1.height=1 1.width=3 1.filters=3 1.stride_height=2 1.stride_width=1 1<-0=False "
        "2.height=3 2.width=3 2.filters=2 2.stride_height=1 2.stride_width=1 2<-0=True 2<-1=True"
    )
    net = space.build(point).double().eval()
    x = noise(2, 3, 6, 5)
    w = [one.weight for one in net.convolutions]
    scale = math.sqrt(1 + net.norms[0].eps)
    a = F.conv2d(x, w[0], padding=(1, 0)).relu() / scale
    b = F.conv2d(x, w[1], stride=(2, 1), padding=(0, 1)).relu() / scale
    joined = torch.zeros(2, 5, 6, 5, dtype=torch.float64)
    joined[:, :2], joined[:, 2:, :3] = a, b
    last = F.conv2d(joined, w[2], padding=1).relu() / scale
    wanted = last.mean((2, 3)) @ net.classifier.weight.T + net.classifier.bias
    torch.testing.assert_close(net(x), wanted, rtol=0, atol=1e-12)


def test_what_no_layer_reads_goes_to_the_classifier():
    net = chain(3, (1,), (2,)).build((0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0))
    assert (net.loose, net.classifier.weight.shape) == ((1, 2), (10, 4))
    net = chain(2, (1,), (2,), anchors=False).build((0,) * 10)
    assert net.layers[1].inputs == (0,)


def test_a_darts_cell_is_its_genotype():
    pairs = [("skip_connect", 0), ("skip_connect", 1), *[("skip_connect", 2), ("max_pool_3x3", 0)] * 3]
    point = genotype(pairs, pairs)
    assert DARTS.values(point)[:6] == ((0, 1), *("skip_connect",) * 2, (0, 2), "max_pool_3x3", "skip_connect")
    net = DARTS.build(point, filters=2, cells=3).double().eval()
    cell = net.cells[0]
    x, y = noise(1, 6, 4, 4), noise(1, 6, 4, 4, seed=1)
    zero, one = cell.before_last(x), cell.last(y)
    two = zero + one
    rest = two + F.max_pool2d(zero, 3, 1, 1)
    torch.testing.assert_close(cell(x, y), torch.cat([two, rest, rest, rest], 1), rtol=0, atol=1e-12)
    # Cells 1 and 2 of three reduce; the cell after a reduction halves what came before that one.
    assert [type(one.before_last).__name__ for one in net.cells] == ["Sequential", "Sequential", "FactorizedReduce"]


def test_cells_that_differ_by_skips_and_zeros_only_are_one():
    # By node 1 or straight: a skip is what it copies.
    assert unique(CELL.values((1, 0, 3, 0, 0, 1))) == unique(CELL.values((1, 3, 0, 0, 0, 1)))
    assert unique(CELL.values((0, 0, 0, 3, 3, 0))) == unique(CELL.values((0, 0, 0, 3, 2, 0)))
    assert unique(CELL.values((0, 0, 0, 3, 0, 0))) != unique(CELL.values((0, 0, 0, 2, 0, 0)))


def test_figure_7_has_fifteen_layers_of_which_the_last_alone_is_loose():
    net = chain().build(figure_7())
    assert (len(net.layers), net.loose) == (15, (14,))
    assert net.layers[7].inputs == (0, 5, 6)


@pytest.mark.parametrize(
    ("space", "point", "message"),
    [
        (CELL, (0,) * 5, "outside of NAS-Bench-201: 3<-2 is missing"),
        (CELL, (0,) * 7, "a point ends after 6 choices"),
        (CELL, (0, 0, 5, 0, 0, 0), "2<-1 may be 0, 1, 2, 3, 4, not 5"),
        (CELL, (0, 0, -1, 0, 0, 0), "not -1"),
        (CELL, (0, 0, True, 0, 0, 0), "not True"),
        (CELL, (0, 0, 1.0, 0, 0, 0), "not 1.0"),
        (LAYERS, (18, 0), "layer0 may be 0, "),
        (LAYERS, (0,), "layer1 is missing"),
        (LAYERS, (0, 18, 18), "a point ends after 2 choices"),
    ],
)
def test_a_point_outside_is_refused_by_the_decision(space, point, message):
    assert point not in space
    for use in (space.validate, space.encode, space.values, space.neighbours, space.build, space.mutate):
        with pytest.raises(ValueError, match=message):
            use(point)


@pytest.mark.parametrize(
    ("space", "text", "message"),
    [
        (CELL, "|none~0|+|none~0|none~1|+|none~0|none~1|", "a cell is written"),
        (CELL, "|none~0|+|none~0|none~1|+|none~0|none~1|conv~2|", "3<-2 may be none skip_connect"),
        (CHAIN, "0.height=3 0.width=4", "0.width may be 1 3 5 7, not 4"),
        (CHAIN, "0.width=3", "need 0.height, in this order"),
        (CHAIN, "", "0.height is missing"),
        (LAYERS, "layer0=end()", "layer0 may be"),
    ],
)
def test_text_of_no_point_is_refused(space, text, message):
    with pytest.raises(ValueError, match=message):
        space.decode(text)


def test_a_space_with_a_hole_is_refused():
    two = [Decision("a", (0, 1)), Decision("b", (0, 1))]
    with pytest.raises(ValueError, match=r"gap has a hole: nothing may follow \(1,\), which is no point"):
        Space("gap", two, rule=lambda prefix, choice: prefix != (1,), state=lambda prefix: prefix)
    with pytest.raises(ValueError, match="gap has a rule or a stop: say by `state`"):
        Space("gap", two, rule=lambda prefix, choice: True)
    with pytest.raises(ValueError, match="gap has a hole: b has no choices"):
        Space("gap", [two[0], Decision("b", ())])
    with pytest.raises(ValueError, match="gap has no decision"):
        Space("gap", [])
    with pytest.raises(ValueError, match="gap has two decisions called a"):
        Space("gap", [two[0], two[0]])
    with pytest.raises(ValueError, match="gap: b has a choice twice"):
        Space("gap", [Decision("b", (1, 1))])


def test_what_a_space_cannot_do_is_said():
    single = Space("single", [Decision("a", (0,))])
    with pytest.raises(ValueError, match="single has no neighbour of"):
        single.mutate((0,))
    with pytest.raises(ValueError, match="single has no networks"):
        single.build((0,))
    with pytest.raises(ValueError, match="DARTS has no networks"):
        darts(("normal",)).build((0,) * 12)
    with pytest.raises(ValueError, match="need at least one layer, and odd sizes: 0"):
        chain(0)
    with pytest.raises(ValueError, match="odd sizes"):
        chain(1, sizes=(2,))
    with pytest.raises(ValueError, match="a tree has a power of two of leaves: 3"):
        recurrent_tree(3)
    with pytest.raises(ValueError, match="a tree has 2 b - 1 nodes, b a power of two: 5"):
        TreeCell(Tree((("add", "tanh"),) * 5, ("add", "tanh"), 0, 0), 2, 2)
    with pytest.raises(ValueError, match="need room for a layer, and a map: 0, 32"):
        layer_chain(0)
    with pytest.raises(ValueError, match="an operation is one of none, .*: conv"):
        operation("conv", 4)


def test_only_what_keeps_the_contract_is_measured():
    assert check("space", numbers="cells", cell="dmbench.nas.space:nas_bench_201")
    with pytest.raises(ContractError, match="has 64 points, not 15625"):
        experiment.CELL.check(lambda: Space("small", [Decision(name, (0, 1)) for name in "abcdef"]))


def test_enas_space_is_what_its_formula_counts():
    for layers, operations in itertools.product((1, 2, 3), (1, 2)):
        points = list(experiment.enas_macro(layers, operations).points())
        assert len(points) == operations**layers * 2 ** (layers * (layers - 1) // 2)
