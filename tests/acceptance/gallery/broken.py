"""All broken connectors."""

import broken_catalog  # noqa: F401
import broken_commands  # noqa: F401
import broken_processes  # noqa: F401
import broken_reads  # noqa: F401
import broken_spec  # noqa: F401
import broken_states  # noqa: F401
import broken_web  # noqa: F401
from defect import DEFECTS, GOOD

__all__ = ["DEFECTS", "GOOD"]
