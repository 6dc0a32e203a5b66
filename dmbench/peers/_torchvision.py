"""torchvision's operators, networks and transforms, which are an optional peer: nothing of dmbench needs them."""

import functools
from collections.abc import Callable
from typing import Any


@functools.cache
def operator(name: str) -> Callable[..., Any]:
    """Return torchvision.ops' function `name`; NotImplementedError, in one line, where torchvision does not load."""
    try:
        import torchvision

        if not torchvision.extension._has_ops():
            raise ImportError("its compiled operators do not load: it was built for another torch or device")
        return getattr(torchvision.ops, name)  # type: ignore[no-any-return]
    except Exception as error:  # a build that lacks its libraries fails in many ways
        reason = str(error).strip().split("\n")[0]
        raise NotImplementedError(f"torchvision.ops.{name} cannot be called here: {reason}") from error


@functools.cache
def model(name: str) -> Callable[..., Any]:
    """Return torchvision.models' function `name`; NotImplementedError, in one line, where torchvision does not load."""
    try:
        import torchvision

        return getattr(torchvision.models, name)  # type: ignore[no-any-return]
    except Exception as error:  # a build that lacks its libraries fails in many ways
        reason = str(error).strip().split("\n")[0]
        raise NotImplementedError(f"torchvision.models.{name} cannot be called here: {reason}") from error


@functools.cache
def transform(name: str) -> Callable[..., Any]:
    """Return torchvision.transforms.functional's `name`; NotImplementedError where torchvision does not load."""
    try:
        from torchvision.transforms import functional

        return getattr(functional, name)  # type: ignore[no-any-return]
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise NotImplementedError(f"torchvision's {name} cannot be called here: {reason}") from error
