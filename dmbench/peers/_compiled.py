"""torch.compile as a peer: made at the first call, since importing the compiler alone takes seconds."""

import functools
from collections.abc import Callable
from typing import Any

import torch


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` as torch.compile makes it, the same each time.

    Calling it raises NotImplementedError where that cannot work: it needs a C++ compiler on a CPU, Triton on a GPU.
    """

    def call(*args: Any, **options: Any) -> Any:
        from torch._dynamo.exc import BackendCompilerFailed

        try:
            return _compile(function)(*args, **options)
        except BackendCompilerFailed as error:
            reason = str(error).strip().split("\n")[0]
            raise NotImplementedError(f"torch.compile does not work here: {reason}") from error

    return call


@functools.cache
def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function)
