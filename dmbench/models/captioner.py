"""Show and Tell: a caption from a picture, by an LSTM that a convolutional network's features begin.

Source: Vinyals, Toshev, Bengio and Erhan (2015), Show and Tell: A Neural Image Caption Generator, arXiv:1411.4555,
section 3, Eqs. 10 to 13: x_-1 = CNN(I) is read once, before the start word; x_t = W_e S_t; p_t+1 = softmax(LSTM(x_t)).
It is the canonical one; that of Karpathy and Fei-Fei (2015), arXiv:1412.2306, adds the features as a bias at the first
word to a vanilla recurrent network.

Differs from the paper: 1. The LSTM has biases and the output o tanh(c), as in the authors' own later code (im2txt),
whose file names this difference; there the forget gate's bias is 1 more, as here. 2. Any network may be the CNN.

Shapes: B pictures, F features, V words, T words of a caption with the start, without the end.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.layers.dropout import dropout
from dmbench.layers.linear import Linear
from dmbench.layers.lstm import LSTM
from dmbench.models.parts.beam import Beams, State, beam_search

FORGET_BIAS = (
    1.0  # tf.contrib.rnn.BasicLSTMCell's default, which im2txt has; without it the picture fades in a few words
)


class Captioner(nn.Module):
    """Pictures and the words so far to scores of the next word.

    Args:
        encoder: a module from pictures (B, ...) to features (B, F); nn.Identity() where the features are given.
        features: F. words: V, with start and end.
        embedding, hidden: widths of word vectors and of the LSTM; the paper's are 512 both.
        p: of dropping the LSTM's inputs and outputs in training, in [0, 1).
        layer: builds the LSTM from (inputs, units); torch.nn.LSTM would do.

    Raises:
        ValueError: a size is below 1; on call, p is out of range.
    """

    def __init__(
        self,
        encoder: nn.Module,
        features: int,
        words: int,
        *,
        embedding: int = 512,
        hidden: int = 512,
        p: float = 0.0,
        layer: Callable[[int, int], Any] = LSTM,
    ) -> None:
        super().__init__()
        if min(features, words, embedding, hidden) < 1:
            raise ValueError(f"need sizes of at least 1: {features}, {words}, {embedding}, {hidden}")
        self.p = p
        self.encoder = encoder
        self.picture = Linear(features, embedding, bias=False)
        self.embedding = nn.Embedding(words, embedding)
        self.lstm = layer(embedding, hidden)
        with torch.no_grad():
            self.lstm.bias_ih_l0[hidden : 2 * hidden] += FORGET_BIAS
        self.scores = Linear(hidden, words)

    def begin(self, pictures: Tensor) -> State:
        """Return the state after the pictures, a pair (1, B, H)."""
        x = self.picture(self.encoder(pictures))
        state: State = self.lstm(dropout(x, self.p, self.training)[None])[1]
        return state

    def forward(self, pictures: Tensor, words: Tensor) -> Tensor:
        """Return scores (B, T, V) of the words after each of words (B, T), whose first one is the start.

        Raises:
            ValueError: words are of another shape, or fewer or more than the pictures.
        """
        if words.ndim != 2 or len(words) != len(pictures):
            raise ValueError(f"need words (B, T) for {len(pictures)} pictures: {tuple(words.shape)}")
        x = dropout(self.embedding(words.T), self.p, self.training)
        h, _ = self.lstm(x, self.begin(pictures))
        scores: Tensor = self.scores(dropout(h, self.p, self.training))
        return scores.transpose(0, 1)

    def step(self, words: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the scores (B, V) of the words after `words` (B), and the state after them."""
        h, state = self.lstm(self.embedding(words)[None], state)
        return self.scores(h[0]), state


def nats(scores: Tensor, words: Tensor, lengths: Tensor) -> Tensor:
    """Return the negative log-likelihood of each caption, (B), nats: -sum over t of log p_t(S_t), Eq. 13.

    Args:
        scores: (B, T, V), of the words after each. words: (B, T + 1), the start first, padded.
        lengths: (B), symbols of each caption, the start and the end among them.

    Raises:
        ValueError: shapes do not fit, or a length is below 2 or above T + 1.
    """
    if scores.shape[:2] != (words.shape[0], words.shape[1] - 1) or lengths.shape != words.shape[:1]:
        shapes = [tuple(one.shape) for one in (scores, words, lengths)]
        raise ValueError(f"need scores (B, T, V), words (B, T + 1) and lengths (B): {shapes}")
    if int(lengths.min()) < 2 or int(lengths.max()) > words.shape[1]:
        raise ValueError(f"need lengths of 2 to {words.shape[1]}: {int(lengths.min())} to {int(lengths.max())}")
    each = cross_entropy(scores.flatten(0, 1), words[:, 1:].flatten(), reduction="none").view(scores.shape[:2])
    real = torch.arange(scores.shape[1], device=words.device) < lengths[:, None] - 1
    return torch.where(real, each, 0.0).sum(1)


@torch.no_grad()
def describe(net: Any, pictures: Tensor, start: int, end: int, *, beams: int = 1, limit: int = 20) -> Beams:
    """Caption pictures by beam search; the paper's number of beams is 20, and 1 is greedy.

    net: with `begin` and `step` as of Captioner, in evaluation mode. Others: `beam_search`.
    """
    return beam_search(net.step, tuple(net.begin(pictures)), start, end, beams, limit)
