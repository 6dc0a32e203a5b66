"""Parameter sharing: gradients and counts of what is tied, and a convolution as the fully connected layer it ties."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.lenet import LeNet5, layer_table
from dmbench.regularizers.parameter_sharing import (
    TiedAutoencoder,
    TiedEmbedding,
    as_matrix,
    count,
    tie,
    tying_penalty,
)

WORDS, WIDTH = 10_000, 1500  # Penn Treebank's, and the large network's


def check_matrix(matrix: Any) -> None:
    """Raise ContractError unless a filter (1, 2) over three pixels gives two rows."""
    found = matrix(torch.tensor([[[[1.0, 2.0]]]]), 1, 3, 1, 0)
    if not isinstance(found, Tensor) or found.tolist() != [[1, 2, 0], [0, 1, 2]]:
        raise ContractError(f"returned another matrix than ((1, 2, 0), (0, 1, 2)): {found}")


MATRIX = Subject(
    name="matrix",
    default=as_matrix,
    contract="matrix(weight, height, width, stride, padding) returns the (O H' W', C H W) matrix of a convolution",
    check=check_matrix,
)


@experiment("convolution", "convolution_gradient", tier="quick", subjects=(MATRIX,))
def convolution(ctx: Context) -> dict[str, float]:
    """Convolve by the matrix, with strides and padding; compare results, and the weight's gradients, with torch's."""
    worst, worst_gradient = 0.0, 0.0
    for stride, padding in ((1, 0), (2, 0), (1, 2), (3, 1)):
        x = torch.randn(2, 3, 9, 8, dtype=torch.float64)
        weight = torch.randn(4, 3, 3, 5, dtype=torch.float64, requires_grad=True)
        exact = functional.conv2d(x, weight, stride=stride, padding=padding)
        mine = (x.flatten(1) @ ctx.subject("matrix")(weight, 9, 8, stride, padding).T).view_as(exact)
        upstream = torch.randn_like(exact)
        pair = [torch.autograd.grad(y, weight, upstream)[0] for y in (mine, exact)]
        worst = max(worst, float((mine - exact).detach().abs().max()))
        worst_gradient = max(worst_gradient, float((pair[0] - pair[1]).abs().max()))
    return {"convolution": worst, "convolution_gradient": worst_gradient}


@experiment("edge_operations", "edge_matrix", tier="quick", subjects=(MATRIX,))
def edges(ctx: Context) -> dict[str, float]:
    """Count an edge detector's operations and its matrix's entries on 280 x 320 pixels, from one row of them.

    The matrix of a row is small enough to be made; operations grow with the rows, entries with their square.
    """
    matrix = ctx.subject("matrix")(torch.tensor([[[[-1.0, 1.0]]]]), 1, 320, 1, 0)
    # Two multiplications and an addition for each pixel of the output.
    return {
        "edge_operations": 280 * len(matrix) * (2 * int(matrix[0].count_nonzero()) - 1),
        "edge_matrix": 280 * 280 * matrix.numel() / 1e9,
    }


@experiment("lenet_places", tier="quick")
def lenet(ctx: Context) -> dict[str, float]:
    """Count LeNet-5's connections for each of its trainable parameters."""
    rows = layer_table(LeNet5(), 32)
    return {"lenet_places": sum(row.connections for row in rows) / sum(row.parameters for row in rows)}


@experiment("autoencoder_gradient", "embedding_gradient", tier="quick")
def gradients(ctx: Context) -> dict[str, float]:
    """Compare the gradient of what is tied with the sum of those of two copies that are not."""
    tied = TiedAutoencoder(7, 4).double()
    x = torch.randn(5, 7, dtype=torch.float64)
    down, up = (tied.encoder.weight.detach().clone().requires_grad_() for _ in range(2))
    code = torch.sigmoid(functional.linear(x, down, tied.encoder.bias))
    pairs = torch.autograd.grad((code @ up + tied.back - x).square().sum(), (down, up))
    (own,) = torch.autograd.grad((tied(x) - x).square().sum(), tied.encoder.weight)
    words = torch.tensor([[1, 2, 2], [0, 3, 1]])
    embedding = TiedEmbedding(6, 4).double()
    rows, scores = (embedding.weight.detach().clone().requires_grad_() for _ in range(2))
    loss = functional.cross_entropy(functional.embedding(words, rows).sum(1) @ scores.T, torch.tensor([4, 2]))
    two = torch.autograd.grad(loss, (rows, scores))
    whole = functional.cross_entropy(embedding.scores(embedding(words).sum(1)), torch.tensor([4, 2]))
    (both,) = torch.autograd.grad(whole, embedding.weight)
    return {
        "autoencoder_gradient": float((own - sum(pairs)).abs().max()),
        "embedding_gradient": float((both - sum(two)).abs().max()),
    }


@experiment("language_model", "language_model_tied", tier="quick")
def language_model(ctx: Context) -> dict[str, float]:
    """Count the parameters of the large LSTM of Penn Treebank before and after its embeddings are tied, millions."""
    net = nn.Module()
    with torch.device("meta"):
        net.words = nn.Embedding(WORDS, WIDTH)
        net.lstm = nn.LSTM(WIDTH, WIDTH, 2)
        net.scores = nn.Linear(WIDTH, WORDS)
    before = count(net)
    tie(net, "scores.weight", "words.weight")
    return {"language_model": before / 1e6, "language_model_tied": count(net) / 1e6}


@experiment("soft_tying", tier="quick")
def soft(ctx: Context) -> dict[str, float]:
    """Fit two weights to 1 and 3 with a tying penalty of 2: how far apart they stay."""
    pair = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    aims = torch.tensor([1.0, 3.0], dtype=torch.float64)
    for _ in range(500):
        loss = 0.5 * (pair - aims).square().sum() + tying_penalty(pair[0], pair[1], 2.0)
        (slope,) = torch.autograd.grad(loss, pair)
        with torch.no_grad():
            pair -= 0.1 * slope
    return {"soft_tying": float((pair[1] - pair[0]).detach())}
