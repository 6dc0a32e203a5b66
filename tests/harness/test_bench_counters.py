"""Counters: figures that can be computed by hand, and a gate that any change turns red."""

import json
from types import SimpleNamespace

import pytest
import torch
from torch.library import custom_op, register_autograd
from torch.utils.flop_counter import register_flop_formula

from dmbench.harness import bench_gate
from dmbench.harness.bench_cases import cases_of
from dmbench.harness.bench_counters import counters, kernel_launches, total_bytes, work
from dmbench.harness.errors import NumbersError

CPU = torch.device("cpu")
N, K, M = 3, 5, 7


def matrices():
    return torch.ones(N, K), torch.ones(K, M)


@pytest.mark.parametrize(
    "product",
    [
        lambda a, b: a @ b,
        lambda a, b: torch.mm(a, b, out=torch.empty(N, M)),
        lambda a, b: torch.zeros(N, M).addmm_(a, b),
        lambda a, b: torch.einsum("nk,km->nm", a, b),
        lambda a, b: torch.bmm(a[None], b[None]),
        lambda a, b: torch.zeros(1, N, M).baddbmm_(a[None], b[None]),
        lambda a, b: torch.nn.functional.linear(a, b.T),
        lambda a, b: torch.nn.functional.conv1d(a.T[None], b.T[:, :, None]),
    ],
)
def test_a_product_in_any_form_is_two_operations_a_term(product):
    assert work(lambda: product(*matrices())).flops == 2 * N * K * M


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
def test_a_product_with_weights_in_onednns_layout_counts_like_any_other():
    a, b = matrices()
    packed = torch.ops.mkldnn._reorder_linear_weight(b.T.contiguous(), N)
    done = work(lambda: torch.ops.mkldnn._linear_pointwise(a, packed, None, "none", [], ""))
    assert (done.flops, done.traffic, done.library) == (2 * N * K * M, 4 * (N * K + K * M + N * M), True)


def test_products_inside_an_autograd_function_and_its_backward_count():
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        def backward(ctx, grad):
            a, b = ctx.saved_tensors
            return grad @ b.T, a.T @ grad

    a, b = (matrix.requires_grad_() for matrix in matrices())
    assert work(lambda: torch.autograd.grad(Product.apply(a, b).sum(), [a, b])).flops == 3 * 2 * N * K * M


def test_a_custom_operator_counts_by_its_formula_forward_and_backward():
    @custom_op("dmbench_test::product", mutates_args=())
    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b

    register_autograd(
        "dmbench_test::product",
        lambda ctx, grad: (grad @ ctx.saved_tensors[1].T, None),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    )
    register_flop_formula(torch.ops.dmbench_test.product)(lambda a, b, *, out_shape=None, **_: 1000)
    a, b = matrices()
    a.requires_grad_()
    assert work(lambda: torch.autograd.grad(product(a, b).sum(), a)).flops == 1000 + 2 * N * K * M


def test_traffic_is_what_is_read_from_outside_and_returned_each_once():
    a, b = matrices()

    def run():
        kept = a + 1
        return (kept * a + a[:, :2].sum()) @ b

    done = work(run)
    assert done.traffic == 4 * (N * K + K * M + N * M)
    assert done.dtype == torch.float32
    assert done.operators == 6
    assert work(lambda: a.add_(1)).traffic == 4 * N * K
    assert work(lambda: None).traffic == 0


def test_bytes_allocated_are_the_sum_and_not_the_peak():
    x = torch.ones(1000)
    found = counters(lambda: x * x * x * x, CPU)
    assert found == {"flops": 0, "operators": 3, "total_bytes": 3 * 4000, "peak_bytes": 2 * 4000}


def test_on_a_gpu_bytes_and_launches_come_from_the_allocator_and_the_profiler(monkeypatch):
    state = {"allocated_bytes.all.allocated": 1000, "waited": 0}

    def run():
        state["allocated_bytes.all.allocated"] += 64

    names = ["cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernelEx", "cudaMemcpyAsync", "aten::mm"]

    class Profile:
        def __init__(self, activities):
            assert torch.profiler.ProfilerActivity.CUDA in activities

        def __enter__(self):
            return self

        def __exit__(self, *error):
            assert state["waited"]

        def events(self):
            return [SimpleNamespace(name=name) for name in names]

    monkeypatch.setattr(torch.cuda, "memory_stats", lambda device: dict(state))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: state.update(waited=1))
    monkeypatch.setattr(torch.profiler, "profile", Profile)
    gpu = torch.device("cuda")
    assert total_bytes(run, gpu) == 64
    assert kernel_launches(run, gpu) == 3


@pytest.mark.gpu
def test_on_a_gpu_an_addition_is_one_launch_of_512_bytes(cuda):
    x = torch.ones(100, device=cuda)
    found = counters(lambda: x + x, cuda)
    assert (found["kernel_launches"], found["total_bytes"], found["operators"]) == (1, 512, 1)


class Product:
    """What the gate guards: one product."""

    params = ([1, 2], ["forward"], ["dmbench", "other"], ["cpu"])
    param_names = ("size", "pass", "implementation", "device")
    track_seconds = None
    planted = staticmethod(lambda a: None)

    def setup(self, size, passes, implementation, device):
        a = torch.ones(10 * size, 10)
        self.run = lambda: (a.T @ a, self.planted(a))


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """Check the gate after `planted` has crept into the code."""
    cases = cases_of(Product)
    found, missing = bench_gate.count(cases, CPU)
    assert not missing
    bench_gate.write(tmp_path, cases, found, CPU)

    def check(planted):
        monkeypatch.setattr(Product, "planted", staticmethod(planted))
        return bench_gate.check(tmp_path, cases, *bench_gate.count(cases, CPU), CPU)

    return check


def test_unchanged_code_passes_the_gate_with_every_counter(gate):
    checked = gate(lambda a: None)
    assert (checked.differences, checked.not_comparable, checked.agree) == ([], [], 2 * 4)


@pytest.mark.parametrize(
    ("planted", "counter"),
    [
        (lambda a: torch.mm(a.T, a, out=torch.empty(10, 10)), "flops 2,000 -> 4,000"),
        (lambda a: a.new_empty(10, 10), "total_bytes 400 -> 800"),
        (lambda a: a.new_empty(10, 10), "peak_bytes 400 -> 800"),
        (lambda a: a.view(-1), "operators 2 -> 3"),
    ],
)
def test_a_planted_product_allocation_or_call_turns_the_gate_red(gate, planted, counter):
    assert any(counter in line for line in gate(planted).differences)


def test_of_a_run_with_state_the_peak_is_no_counter_and_the_rest_is(monkeypatch):
    monkeypatch.setattr(Product, "stateful", True, raising=False)
    found, _ = bench_gate.count(cases_of(Product), CPU)
    assert {frozenset(one) for one in found.values()} == {frozenset({"flops", "operators", "total_bytes"})}


def test_a_case_that_is_new_or_cannot_run_any_more_turns_the_gate_red(gate, tmp_path, monkeypatch):
    def fails(a):
        raise RuntimeError("no such thing")

    assert all("cannot run here: RuntimeError: no such thing" in line for line in gate(fails).differences)
    assert len(gate(fails).differences) == 2
    monkeypatch.setattr(Product, "headline", [(1, "forward"), (2, "forward")], raising=False)
    path = tmp_path / "counters" / "test_bench_counters.json"
    content = json.loads(path.read_text())
    content[bench_gate.place(CPU)].popitem()
    path.write_text(json.dumps(content))
    assert sum("is new" in line for line in gate(lambda a: None).differences) == 1


def test_another_torch_is_not_comparable_and_its_counters_stand_beside(gate, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "9.9.9+cpu")
    checked = gate(lambda a: a.new_empty(10, 10))
    assert (checked.differences, checked.agree) == ([], 0)
    assert "this is torch 9.9.9, cpu " in checked.not_comparable[0]
    cases = cases_of(Product)
    bench_gate.write(tmp_path, cases, bench_gate.count(cases, CPU)[0], CPU)
    monkeypatch.undo()
    assert len(json.loads((tmp_path / "counters" / "test_bench_counters.json").read_text())) == 2


def test_bytes_of_a_library_convolution_are_compared_on_the_same_processor_only(tmp_path, monkeypatch):
    x, w = torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3)
    monkeypatch.setattr(Product, "planted", staticmethod(lambda a: torch.nn.functional.conv2d(x, w)))
    cases = cases_of(Product)
    bench_gate.write(tmp_path, cases, bench_gate.count(cases, CPU)[0], CPU)
    monkeypatch.setattr(bench_gate, "cpu_model", lambda: "another")
    checked = bench_gate.check(tmp_path, cases, *bench_gate.count(cases, CPU), CPU)
    assert (len(checked.not_comparable), checked.differences, checked.agree) == (4, [], 4)


@pytest.mark.parametrize("content", ["{", "[]", '{"torch": 1}'])
def test_a_damaged_file_is_one_line(gate, tmp_path, content):
    (tmp_path / "counters" / "test_bench_counters.json").write_text(content)
    with pytest.raises(
        NumbersError, match=r"test_bench_counters.json: (no JSON|not counters).*: take the committed one"
    ):
        gate(lambda a: None)
