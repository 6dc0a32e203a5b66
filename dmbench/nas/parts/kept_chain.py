"""A chain as plain values and tensors, for checkpoints."""

from typing import Any

from dmbench.nas.network_morphism import Chain, Layer


def packed(net: Chain) -> dict[str, Any]:
    """Return a chain's layers and a copy of its weights and statistics."""
    layers = [(layer.filters, layer.window, layer.pooled) for layer in net.layers]
    return {"layers": layers, "weights": {name: value.clone() for name, value in net.state_dict().items()}}


def unpacked(state: dict[str, Any], like: Chain) -> Chain:
    """Return the chain of a state, with the classes, dtype, device and mode of another."""
    net = Chain([Layer(*layer) for layer in state["layers"]], like.classes, like.inputs)
    net.to(like.classifier.weight).load_state_dict(state["weights"])
    return net.train(like.training)
