"""Deformable convolution on a GPU: the operators `dmbench::deform_conv2d` and `..._backward` as torch knows them.

torch.compile sees them whole, by what `_fake` and `_fake_backward` say of their results; autograd goes from one to the
other, and, where the gradients are to be differentiated again, to the canonical form.
Shapes: as in dmbench/layers/deform_conv2d.py; nothing is checked here.
"""

from typing import Any

import torch
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_triton_run import Ints, backward, forward, geometry_of, layout_of, like

PAIRS = "int[] stride, int[] padding, int[] dilation"
# Results are laid out as the inputs are: inductor must hand them over as it saw them.
TAGS = (torch.Tag.pt2_compliant_tag, getattr(torch.Tag, "needs_exact_strides", torch.Tag.needs_fixed_stride_order))


def _fake(
    image: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
) -> Tensor:
    shape = (image.shape[0], weight.shape[0], offset.shape[2], offset.shape[3])
    return torch.empty(shape, dtype=image.dtype, device=image.device, memory_format=layout_of(image))


def _fake_backward(
    upstream: Tensor,
    image: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return like((image, offset, weight, mask), wanted)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.stride, ctx.padding, ctx.dilation = inputs
    ctx.save_for_backward(*tensors)


def _differentiate(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    image, offset, weight, bias, mask = tensors = ctx.saved_tensors
    want_image, want_offset, want_weight, want_bias, want_mask = wanted = ctx.needs_input_grad[:5]
    pairs = (ctx.stride, ctx.padding, ctx.dilation)
    if torch.is_grad_enabled():
        from dmbench.layers.deform_conv2d import equations  # the canonical form, which imports this file

        raised: list[Any] = [None if t is None else t.float() for t in tensors]
        raised.append(geometry_of(image, offset, weight, *pairs))
        result = equations(*raised).to(image.dtype)
        asked = [tensor for tensor, want in zip(tensors, wanted, strict=True) if want]
        again = iter(torch.autograd.grad(result, asked, upstream, create_graph=True))
        return (*(next(again) if want else None for want in wanted), None, None, None)
    to_image, to_offset, to_weight, to_mask = torch.ops.dmbench.deform_conv2d_backward(
        upstream, image, offset, weight, mask, *pairs, [want_image, want_offset, want_weight, want_mask]
    )
    return (
        to_image if want_image else None,
        to_offset if want_offset else None,
        to_weight if want_weight else None,
        upstream.sum((0, 2, 3)).to(bias.dtype) if want_bias else None,
        to_mask if want_mask else None,
        None,
        None,
        None,
    )


for _name, _schema, _run, _shapes in (
    (
        "deform_conv2d",
        f"Tensor image, Tensor offset, Tensor weight, Tensor? bias, Tensor? mask, {PAIRS}",
        forward,
        _fake,
    ),
    (
        "deform_conv2d_backward",
        f"Tensor upstream, Tensor image, Tensor offset, Tensor weight, Tensor? mask, {PAIRS}, bool[] wanted",
        backward,
        _fake_backward,
    ),
):
    _results = "Tensor" if _run is forward else "(Tensor, Tensor, Tensor, Tensor)"
    torch.library.define(f"dmbench::{_name}", f"({_schema}) -> {_results}", tags=TAGS)
    torch.library.impl(f"dmbench::{_name}", "default", _run)
    torch.library.register_fake(f"dmbench::{_name}", _shapes)
torch.library.register_autograd("dmbench::deform_conv2d", _differentiate, setup_context=_setup)
