"""RoI pooling by torchvision, which has no deformable one, and by torch.compile of ours."""

from typing import Any

from torch import Tensor

from dmbench.layers import deform_roi_pool as layer
from dmbench.peers._compiled import compiled
from dmbench.peers._torchvision import operator

compiled_roi_pool = compiled(layer.roi_pool)
compiled_ps_roi_pool = compiled(layer.ps_roi_pool)
compiled_deform_roi_pool = compiled(layer.deform_roi_pool)
compiled_deform_ps_roi_pool = compiled(layer.deform_ps_roi_pool)


def torchvision_roi_pool(*args: Any, **options: Any) -> Tensor:
    """torchvision.ops.roi_pool."""
    result: Tensor = operator("roi_pool")(*args, **options)
    return result


def torchvision_ps_roi_pool(*args: Any, **options: Any) -> Tensor:
    """torchvision.ops.ps_roi_pool, which never reads the last row and column of the picture."""
    result: Tensor = operator("ps_roi_pool")(*args, **options)
    return result


PEERS = {
    "torchvision.ops": {"roi_pool": torchvision_roi_pool, "ps_roi_pool": torchvision_ps_roi_pool},
    "torch.compile": {
        "roi_pool": compiled_roi_pool,
        "ps_roi_pool": compiled_ps_roi_pool,
        "deform_roi_pool": compiled_deform_roi_pool,
        "deform_ps_roi_pool": compiled_deform_ps_roi_pool,
    },
}
