"""Agents trained by others with Stable-Baselines3 (RL-Zoo's), read into plain torch."""

import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor


def read_policy(path: Path) -> dict[str, Tensor]:
    """Return the parameters in a model.zip by name; nothing in it is executed.

    Raises: ValueError: it is no such archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read("policy.pth")
        parameters: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, KeyError, RuntimeError) as error:
        raise ValueError(f"{path.name} is no agent of Stable-Baselines3: no policy.pth in it can be read") from error
    return parameters


def part(parameters: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the parameters whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}
