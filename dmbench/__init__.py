"""dmbench: are the building blocks of deep learning right, and what do they cost?"""

__version__ = "0.1.0"

from dmbench.harness.check import CheckFailed, check

__all__ = ["CheckFailed", "__version__", "check"]
