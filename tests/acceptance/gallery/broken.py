"""All broken connectors."""

import broken_commands  # noqa: F401
import broken_reads  # noqa: F401
from defect import DEFECTS

__all__ = ["DEFECTS"]
