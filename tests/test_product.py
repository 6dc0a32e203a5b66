"""product: what oneDNN computes is what torch computes, for any strides, dtype and count of rows; and its own tanh."""

import pytest
import torch

from dmbench.layers.kernels import product as kernels
from dmbench.layers.kernels.product import packed, product, tanh


def noise(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 7, 40])
def test_both_products_are_torchs(rows, biased, dtype):
    x, w = noise(rows, 24, dtype=dtype), noise(11, 24, dtype=dtype)
    bias = noise(11, dtype=dtype) if biased else None
    expected = x.double() @ w.double().T + (0 if bias is None else bias.double())
    atol = 1e-5 if dtype == torch.float32 else 1e-14
    strided = torch.stack([w, w], -1)[..., 0]
    for layout in (w, w.T.contiguous().T, strided):
        for found in (product(x, layout, bias), packed(layout, 7, bias)(x)):
            assert found.dtype == dtype
            torch.testing.assert_close(found.double(), expected, rtol=0, atol=atol)
    torch.testing.assert_close(product(x.T.contiguous().T, w, bias).double(), expected, rtol=0, atol=atol)


@pytest.mark.filterwarnings("ignore:TF32 acceleration:UserWarning")  # torch's flags() touches every flag
def test_without_onednn_the_result_is_torchs():
    x, w, bias = noise(5, 8), noise(3, 8), noise(3)
    with torch.backends.mkldnn.flags(enabled=False):
        for found in (product(x, w, bias), packed(w, 5, bias)(x)):
            torch.testing.assert_close(found, torch.nn.functional.linear(x, w, bias), rtol=0, atol=0)


def test_onednn_is_used_where_torch_has_it(monkeypatch):
    called = []
    monkeypatch.setattr(kernels, "_by_onednn", lambda x, w, bias: called.append(1) or x @ w.T)
    product(noise(5, 8), noise(3, 8))
    product(noise(5, 8, dtype=torch.float64), noise(3, 8, dtype=torch.float64))
    assert len(called) == torch.backends.mkldnn.is_available()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_is_torchs_to_two_roundings_of_one(dtype):
    atol = 2 * torch.finfo(dtype).eps
    x = torch.cat([torch.linspace(-30, 30, 1001, dtype=dtype), torch.tensor([-torch.inf, torch.inf, 0], dtype=dtype)])
    torch.testing.assert_close(tanh(x, torch.empty_like(x)), x.tanh(), rtol=0, atol=atol)
    torch.testing.assert_close(tanh(y := x.clone(), y), x.tanh(), rtol=0, atol=atol)
