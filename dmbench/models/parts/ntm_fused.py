"""One time step of an NTM's heads on its memory, with its gradients written out.

Source and symbols: `ntm_addressing`, of which `Step` computes address, write and read for all heads at once. Forward:
the squashing of all emissions of one kind is one call, and the circular convolution S sums of slices of one padded
copy. Backward: by hand, mostly in place; of size (B, N, M) only the memory is kept, which the next step has anyway.

Shapes: B batch, H = R + W heads, those that read first, N memory locations, M width of a location, S shifts.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from dmbench.layers.rnn import refuse_second_derivative


class Step(torch.autograd.Function):
    """Map memory (B, N, M), weightings (B, H, N) and what the heads emit to the next memory, weightings and reads.

    emitted: (B, P) as `ntm.emissions` lays it out, before squashing.
    """

    @staticmethod
    def forward(
        ctx: Any, memory: Tensor, w_tm1: Tensor, emitted: Tensor, reads: int, shifts: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return memory (B, N, M), weightings (B, H, N) and what was read (B, R, M)."""
        heads, width = w_tm1.shape[1], memory.shape[2]
        raw = split(emitted, heads, heads - reads, width, shifts)
        k, a = raw[0], raw[6]
        beta, g, gamma = softplus(raw[1]), torch.sigmoid(raw[2]), softplus(raw[3]).add_(1)
        s, e = torch.softmax(raw[4], -1), torch.sigmoid(raw[5])

        k_norm, m_norm = _norm(k), _norm(memory)
        cosine = torch.bmm(k, memory.mT).div_(k_norm.unsqueeze(-1)).div_(m_norm.unsqueeze(1))
        content = torch.softmax(beta * cosine, -1)
        padded = _pad(torch.lerp(w_tm1, content, g), shifts // 2)
        log = _convolve(padded, s, w_tm1.shape[2]).clamp_min_(torch.finfo(w_tm1.dtype).tiny).log_()
        w = torch.softmax(gamma * log, -1)

        w_write, w_read = w[:, reads:], w[:, :reads]
        after = memory
        for each in _pairs(w_write, e):
            after = _erase(after, *each)
        after.baddbmm_(w_write.mT, a)
        ctx.reads, ctx.shifts = reads, shifts
        ctx.save_for_backward(
            memory, w_tm1, emitted, after, w, beta, g, gamma, s, e, k_norm, m_norm, cosine, content, padded, log
        )
        return after, w, torch.bmm(w_read, after)

    @staticmethod
    def backward(ctx: Any, d_after: Tensor, dw: Tensor, dr: Tensor) -> tuple[Tensor | None, ...]:
        """Map the gradients of the next memory, weightings and reads to those of the arguments."""
        refuse_second_derivative()
        memory, w_tm1, emitted, after, w, beta, g, gamma, s, e, k_norm, m_norm, cosine, content, padded, log = (
            ctx.saved_tensors
        )
        reads, shifts, heads, width = ctx.reads, ctx.shifts, w.shape[1], memory.shape[2]
        raw = split(emitted, heads, heads - reads, width, shifts)
        k, a = raw[0], raw[6]
        d_emitted = torch.empty_like(emitted)
        dk, d_beta, dg, d_gamma, ds, de, da = split(d_emitted, heads, heads - reads, width, shifts)

        # Reading, then writing.
        w_read, w_write = w[:, :reads], w[:, reads:]
        d_after = torch.baddbmm(d_after, w_read.mT, dr)
        dw = dw.clone()
        dw[:, :reads] += torch.bmm(dr, after.mT)
        dw[:, reads:] += torch.bmm(a, d_after.mT)
        da.copy_(torch.bmm(w_write, d_after))
        d_memory, erased = d_after, [memory]  # what each head finds that erases
        for each in _pairs(w_write, e)[:-1]:
            erased.append(_erase(erased[-1], *each))
        for head in reversed(range(heads - reads)):
            w_one, e_one = w_write[:, head : head + 1], e[:, head : head + 1]
            d_kept = erased.pop().mul(d_memory)
            de[:, head : head + 1] = torch.bmm(w_one, d_kept).neg_()
            dw[:, reads + head] -= torch.bmm(d_kept, e_one.mT).squeeze(-1)
            d_memory = _erase(d_memory, w_one, e_one)
        de.mul_(e).mul_(1 - e)

        # Sharpening, shifting.
        d_log = torch._softmax_backward_data(dw, w, -1, w.dtype)
        d_gamma.copy_((d_log * log).sum(-1, keepdim=True)).mul_(1 - torch.exp(1 - gamma))
        d_shifted = d_log.mul_(gamma).div_(log.exp())
        ds.copy_(torch._softmax_backward_data(_correlate(padded, d_shifted, shifts), s, -1, s.dtype))
        d_gated = _convolve(_pad(d_shifted, shifts // 2), s.flip(-1), w.shape[2])

        # The gate, content.
        dg.copy_((d_gated * (content - w_tm1)).sum(-1, keepdim=True)).mul_(g).mul_(1 - g)
        d_content = d_gated * g
        d_w_tm1 = d_gated.sub_(d_content)
        d_scores = torch._softmax_backward_data(d_content, content, -1, w.dtype)
        d_beta.copy_((d_scores * cosine).sum(-1, keepdim=True)).mul_(1 - torch.exp(-beta))
        d_cosine = d_scores.mul_(beta)
        along = d_cosine * cosine
        d_products = d_cosine.div_(k_norm.unsqueeze(-1)).div_(m_norm.unsqueeze(1))
        dk.copy_(torch.baddbmm(k * (along.sum(-1) / -k_norm.square()).unsqueeze(-1), d_products, memory))
        d_memory.baddbmm_(d_products.mT, k)
        d_memory.addcmul_(memory, (along.sum(1) / m_norm.square()).unsqueeze(-1), value=-1)
        return d_memory, d_w_tm1, d_emitted, None, None


def split(emitted: Tensor, heads: int, writes: int, width: int, shifts: int) -> list[Tensor]:
    """Return views of (B, P): k (B, H, M), beta, g, gamma (B, H, 1), s (B, H, S), e (B, W, M), a (B, W, M)."""
    shapes = [(heads, width), *[(heads, 1)] * 3, (heads, shifts), *[(writes, width)] * 2]
    parts = emitted.split_with_sizes([rows * columns for rows, columns in shapes], dim=-1)
    return [part.view(len(part), *shape) for part, shape in zip(parts, shapes, strict=True)]


def _norm(x: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x, dim=-1)
    return length.masked_fill_(length == 0, 1)


def _pad(w: Tensor, reach: int) -> Tensor:
    """Return (..., N + 2 reach): the last locations before the first, the first after the last."""
    return torch.cat([w[..., w.shape[-1] - reach :], w, w[..., :reach]], -1) if reach else w


def _convolve(padded: Tensor, s: Tensor, locations: int) -> Tensor:
    """Return sum over r of s[reach + r] w[n - r]."""
    shifts = s.shape[-1]
    moved = padded[..., shifts - 1 :] * s[..., :1]
    for index in range(1, shifts):
        start = shifts - 1 - index
        moved.addcmul_(padded[..., start : start + locations], s[..., index : index + 1])
    return moved


def _correlate(padded: Tensor, d: Tensor, shifts: int) -> Tensor:
    """Return the gradient of s, (..., S)."""
    windows = [padded[..., start : start + d.shape[-1]] for start in reversed(range(shifts))]
    return torch.stack([(window * d).sum(-1) for window in windows], -1)


def _pairs(w: Tensor, e: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return each write head's weighting (B, 1, N) and erase vector (B, 1, M)."""
    return list(zip(w.split_with_sizes([1] * w.shape[1], 1), e.split_with_sizes([1] * e.shape[1], 1), strict=True))


def _erase(memory: Tensor, w: Tensor, e: Tensor) -> Tensor:
    """Return what one head leaves of the memory."""
    return torch.addcmul(memory, memory, w.mT * e, value=-1)
