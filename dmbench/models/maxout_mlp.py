"""The maxout network for permutation-invariant MNIST: two layers of 240 units with 5 pieces each, and a softmax.

Source: Goodfellow et al. (2013), Maxout Networks, arXiv:1302.4389, section 5.1; sizes, rates and norms as in the
authors' own file, pylearn2/scripts/papers/maxout/mnist_pi.yaml: pixels dropped with probability 0.2 and the others not
scaled up, units with 0.5, weights uniform within 0.005, incoming weights held within the norm 1.9365, SGD at rate 0.1.

Shapes: N digits; images (N, 784) or (N, 1, 28, 28), in [0, 1]; scores (N, 10).
"""

from torch import Tensor, nn

from dmbench.layers.dropout import dropout, max_norm_
from dmbench.layers.linear import Linear
from dmbench.layers.maxout import MaxoutLinear

REACH = 0.005
NORM = 1.9365  # largest norm of the weights that come into a piece or a score
P_INPUT, P_HIDDEN = 0.2, 0.5


class MaxoutMLP(nn.Module):
    """Maxout layers with dropout before each, and a linear layer to scores.

    Args:
        inputs, units, pieces, layers, classes: sizes, at least 1; the larger network of Goodfellow, Shlens and Szegedy
            (2015), section 6, has 1,600 units.
        p_input, p_hidden: probabilities of dropping, in [0, 1). reach: of the uniform weights.

    Raises:
        ValueError: a size is below 1; on call, p is out of range, or images have another number of values.
    """

    def __init__(
        self,
        inputs: int = 784,
        units: int = 240,
        pieces: int = 5,
        layers: int = 2,
        classes: int = 10,
        p_input: float = P_INPUT,
        p_hidden: float = P_HIDDEN,
        reach: float = REACH,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"need at least one layer: {layers}")
        self.p_input, self.p_hidden = p_input, p_hidden
        sizes = (inputs, *[units] * layers)
        self.hidden = nn.ModuleList(MaxoutLinear(size, units, pieces) for size in sizes[:-1])
        self.scores = Linear(units, classes)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.uniform_(parameter, -reach, reach)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, ...) to scores (N, classes)."""
        x = images.flatten(1)
        if self.training:  # the authors' input scale is 1: pixels are as they are, in training and at test time
            x = dropout(x, self.p_input, inverted=False)
        for layer in self.hidden:
            x = dropout(layer(x), self.p_hidden, self.training)
        scores: Tensor = self.scores(x)
        return scores

    def hold(self, norm: float = NORM) -> None:
        """Shorten incoming weights longer than the norm, after an update."""
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                max_norm_(parameter, norm)
