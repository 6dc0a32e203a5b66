"""The GPU path of deform_conv2d where there is no GPU: the interpreter, the compiler ahead of time, the way back."""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
import torch

from dmbench.layers.deform_conv2d import DeformConv2d, _geometry, deform_conv2d
from dmbench.layers.kernels import deform_conv2d_triton as kernels
from dmbench.layers.kernels import deform_conv2d_triton_plan as plan

HERE = Path(__file__).parent


def test_the_kernels_are_right_in_tritons_interpreter():
    """Its own process: see there."""
    pytest.importorskip("triton", reason="triton is not installed: pip install triton")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "interpreted_deform_conv2d.py")],
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout


def compiled(monkeypatch, dtype, channels=256, side=56, deformable=1, layout=torch.channels_last, forward=True):
    """Compile for sm_90 what one call would launch, and return the kernels by name: no device, no memory."""
    pytest.importorskip("triton", reason="triton is not installed: pip install triton")
    from dmbench.layers.kernels import deform_conv2d_triton_backward as backward
    from dmbench.layers.kernels import deform_conv2d_triton_forward as forwards
    from dmbench.layers.kernels import deform_conv2d_triton_sorted as ordered
    from dmbench.layers.kernels import deform_conv2d_triton_weights as weights

    found = {}
    for module in (backward, forwards, ordered, weights):
        monkeypatch.setattr(module, "launch", lambda *given, **options: found.update(build(*given, **options)))
    image = torch.empty(8, channels, side, side, dtype=dtype, device="meta").to(memory_format=torch.channels_last)
    offset, mask = image.new_empty(8, 18 * deformable, side, side), image.new_empty(8, 9 * deformable, side, side)
    weight, matrices = image.new_empty(channels, channels, 3, 3), image.new_empty(channels, 9, channels)
    g = _geometry(image, offset, weight, None, (1, 1), (1, 1), (1, 1), mask)
    if forward:
        out = torch.empty(image.shape, dtype=dtype, device="meta", memory_format=layout)
        forwards.convolve(image, offset, matrices, image.new_empty(channels), mask, out, g)
    else:
        to_image = torch.empty(8, side, side, channels, device="meta")
        backward.to_samples(image, image, offset, matrices, mask, to_image, False, True, g)
        samples = g.positions * 9
        columns, places = torch.empty(samples, channels, device="meta"), torch.empty(deformable, samples, device="meta")
        ordered.sum_samples(columns, places, places, to_image, g)
        weights.to_weights(image, image, offset, mask, channels, g)
    return found


def build(kernel, grid, *given, **options):
    from triton import compile
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16", torch.int64: "*i64"}
    signature, constants, facts = {}, {}, {}
    for index, name in enumerate(kernel.arg_names):
        value = given[index] if index < len(given) else options.pop(name)
        if isinstance(value, torch.Tensor):
            signature[name], divisible = names[value.dtype], True
        elif kernel.params[index].is_constexpr or value is None or value == 1:
            signature[name], constants[index,], divisible = "constexpr", value, False
        else:
            signature[name], divisible = "i32", value % 16 == 0
        if divisible:
            facts[index,] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, facts)
    return {kernel.__name__: compile(source, target=GPUTarget("cuda", 90, 32), options=options)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_forward_kernel_compiles_for_hopper_onto_its_matrix_units(dtype, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    check(compiled(monkeypatch, dtype), {"forward_kernel"})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_backward_kernels_compile_for_hopper_onto_its_matrix_units(dtype, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    found = compiled(monkeypatch, dtype, forward=False)
    check(found, {"samples_kernel", "sums_kernel", "weights_kernel"})
    assert "relaxed.add.v4.f32" in found["samples_kernel"].asm["ptx"]  # atomics by 16 bytes


@pytest.mark.slow
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("channels", "side", "deformable", "layout"),
    [
        (128, 28, 1, torch.channels_last),
        (256, 14, 4, torch.contiguous_format),
        (512, 7, 1, torch.contiguous_format),
        (48, 9, 3, torch.channels_last),
    ],
)
def test_other_sizes_compile_too(channels, side, deformable, layout, dtype, forward, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    found = compiled(monkeypatch, dtype, channels, side, deformable, layout, forward)
    check(found, {"forward_kernel"} if forward else {"samples_kernel", "sums_kernel", "weights_kernel"})


@pytest.mark.slow
@pytest.mark.parametrize("forward", [True, False])
def test_sizes_of_one_compile_too(forward, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    assert compiled(monkeypatch, torch.float32, 1, 1, forward=forward)


def check(found, names):
    assert set(found) == names
    for name, kernel in found.items():
        assert ("wgmma.mma_async" in kernel.asm["ptx"]) == (name != "sums_kernel")
        assert resources(kernel)["STACK"] == 0  # nothing is spilt
        assert kernel.metadata.shared <= 227 << 10  # bytes, of a block on sm_90


def resources(kernel):
    import triton

    with NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
        said = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    return {name: int(size) for name, size in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", said)}


def test_without_a_gpu_nothing_changes_and_nothing_warns():
    assert not kernels.takes(torch.zeros(1))
    assert not kernels.takes(torch.zeros(1, device="meta"))


@pytest.mark.parametrize(
    ("reason", "facts"),
    [
        ("no kernel for torch.float64", {"dtype": torch.float64}),
        ("not an NVIDIA build of torch", {"cuda": None}),
        ("Old is older than capability 8.0", {"capability": (7, 5)}),
        ("triton cannot be imported", {"triton": None}),
    ],
)
def test_where_the_kernels_cannot_run_one_warning_says_why(reason, facts, monkeypatch, recwarn):
    class Image:
        device = torch.device("cuda")
        dtype = facts.get("dtype", torch.float32)

    kernels._found_obstacle.cache_clear()
    monkeypatch.setattr(kernels, "warned", set())
    monkeypatch.setattr(torch.version, "cuda", facts.get("cuda", "13.0"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: facts.get("capability", (9, 0)))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old")
    if "triton" in facts:
        monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.warns(RuntimeWarning, match=f"deform_conv2d takes its slower torch form: {reason}") as caught:
        assert [kernels.takes(Image()) for _ in range(2)] == [False, False]
    assert len(caught) == 1
    kernels._found_obstacle.cache_clear()


@pytest.mark.parametrize("legacy", [True, False])
def test_tf32_is_what_torch_allows_in_matrix_products(legacy, monkeypatch):
    class Matmul:
        pass

    for allowed, expected in ((True, "tf32"), (False, "tf32x3")):
        matmul = Matmul()
        if legacy:
            matmul.allow_tf32 = allowed
        else:
            matmul.fp32_precision = "tf32" if allowed else "ieee"
        monkeypatch.setattr(torch.backends.cuda, "matmul", matmul)
        assert plan.precision_of(torch.float32) == expected
        assert plan.precision_of(torch.bfloat16) == "tf32"


@pytest.mark.parametrize("elements", [2**31 - 2**24, 2**31, 2**33])
def test_sizes_past_2_to_the_31_are_indexed_in_64_bits(elements):
    assert plan.wide(torch.empty(1, device="meta"), torch.empty(elements, device="meta"))
    assert not plan.wide(torch.empty(2**31 - 2**24 - 1, device="meta"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [1, 7, 14, 28, 56, 200])
@pytest.mark.parametrize(("channels", "filters"), [(1, 1), (6, 15), (256, 256), (512, 2048)])
def test_tiles_are_powers_of_two_and_splits_never_more_than_there_is(side, channels, filters, dtype):
    meta = torch.device("meta")
    image, weight = torch.empty(8, channels, side, side, device=meta), torch.empty(filters, channels, 3, 3, device=meta)
    g = _geometry(image, torch.empty(8, 18, side, side, device=meta), weight, None, (1, 1), (1, 1), (1, 1), None)
    most = (9, -(-channels // 16), -(-g.positions // 256))
    for make, limit in zip((plan.plan_forward, plan.plan_samples, plan.plan_weights), most, strict=True):
        one = make(g, filters, dtype, meta)
        assert {bin(size).count("1") for size in (one.m, one.n, one.k, one.warps)} == {1}
        assert min(one.m, one.n, one.k) >= 16
        assert 1 <= one.split <= limit


def test_the_cpu_is_left_as_it_was():
    layer = DeformConv2d(4, 4, 3, padding=1)
    result = layer(torch.randn(1, 4, 5, 6))
    assert result.grad_fn.name() != "GeneratedBackwardFor_dmbench_deform_conv2d_defaultBackward"
    x = torch.randn(1, 4, 5, 6, requires_grad=True)
    assert "DeformConv2dCPU" in str(_functions(deform_conv2d(x, torch.zeros(1, 18, 5, 6), layer.weight, padding=1)))


def _functions(tensor):
    todo, seen = [tensor.grad_fn], []
    while todo:
        node = todo.pop()
        if node is not None:
            seen.append(node.name())
            todo += [parent for parent, _ in node.next_functions]
    return seen
