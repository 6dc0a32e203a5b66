"""An oracle for networks that Caffe defines: reads a prototxt, and calculates layer by layer what it says."""

import re

import numpy as np
import torch
from torch.nn import functional

LAYER = re.compile(r"layer \{(.*?)\n\}", re.DOTALL)


def definition(path):
    """The layers of a prototxt, in order: name, type, inputs, and numbers by their keys."""
    found = []
    for block in LAYER.findall(path.read_text()):
        words = {key: re.findall(rf'\b{key}: "?([^"\s]+)', block) for key in ("name", "type", "bottom", "top", "pool")}
        numbers = {key: float(value) for key, value in re.findall(r"(\w+): (-?[\d.]+(?:e-?\d+)?)\s", block)}
        found.append((words["name"][0], words["type"][0], words["bottom"], words["top"][0], words["pool"], numbers))
    return found


def weighted(layers):
    """Names of the layers with weights."""
    return [name for name, kind, *_ in layers if kind in ("Convolution", "InnerProduct")]


def calculated(layers, weights, x):
    """The blobs that the layers give, by name, dropout and softmax left out; weights: (weight, bias) by layer."""
    blobs = {"data": x}
    for name, kind, bottoms, top, pool, numbers in layers:
        if kind in ("Input", "Dropout", "Softmax"):
            blobs[top] = blobs[bottoms[0]] if bottoms else x
            continue
        given = [blobs[bottom] for bottom in bottoms]
        stride, padding = int(numbers.get("stride", 1)), int(numbers.get("pad", 0))
        if kind == "Convolution":
            blobs[top] = functional.conv2d(given[0], *weights[name], stride=stride, padding=padding)
        elif kind == "InnerProduct":
            blobs[top] = given[0].flatten(1) @ weights[name][0].T + weights[name][1]
        elif kind == "ReLU":
            blobs[top] = given[0].clamp(min=0)
        elif kind == "Concat":
            blobs[top] = torch.cat(given, 1)
        elif kind == "LRN":
            blobs[top] = normalised(given[0], int(numbers["local_size"]), numbers["alpha"], numbers["beta"])
        elif kind == "Pooling" and "kernel_size" in numbers:
            blobs[top] = pooled(given[0], pool[0], int(numbers["kernel_size"]), stride, padding)
        elif kind == "Pooling":
            blobs[top] = given[0].mean((2, 3))
        else:
            raise ValueError(kind)
    return blobs


def pooled(x, kind, side, stride, padding):
    """Caffe's pooling: sizes are rounded up; a window that would begin beyond the padded picture is dropped."""
    outputs = []
    for size in x.shape[2:]:
        count = -(-(size + 2 * padding - side) // stride) + 1
        if padding and (count - 1) * stride >= size + padding:
            count -= 1
        outputs.append([slice(max(i * stride - padding, 0), i * stride - padding + side) for i in range(count)])
    reduce = (lambda t: t.amax((2, 3))) if kind == "MAX" else (lambda t: t.mean((2, 3)))
    return torch.stack([torch.stack([reduce(x[:, :, r, c]) for c in outputs[1]], 2) for r in outputs[0]], 2)


def normalised(x, size, alpha, beta):
    """Local response normalisation, channel by channel."""
    reach, planes = size // 2, []
    for i in range(x.shape[1]):
        around = x[:, max(i - reach, 0) : i + reach + 1]
        planes.append(x[:, i] / (1 + alpha / size * around.square().sum(1)) ** beta)
    return torch.stack(planes, 1)


def layer_files(folder, name, weight, bias):
    """Write a layer as caffejs has it; return the two files by name."""
    content = {"filter": np.moveaxis(weight, 1, -1) if weight.ndim == 4 else weight, "bias": bias}
    files = {}
    for kind, values in content.items():
        path = folder / f"{name}_{kind}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(np.ascontiguousarray(values, "<f4").tobytes())
        files[f"weights/{name}_{kind}.bin"] = path
    return files
