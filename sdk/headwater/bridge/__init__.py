"""The bridge: lands what any source reads in a destination, and keeps a state once its records landed."""

from headwater.bridge.sink import Batch, Sink
from headwater.bridge.states.store import StateStore

__all__ = ["Batch", "Sink", "StateStore"]
