"""The bridge: lands what any source reads in a destination, and keeps a state once its records landed."""

from headwater.bridge.result import StreamResult, SyncResult
from headwater.bridge.sink import Batch, Sink
from headwater.bridge.states.store import StateStore
from headwater.bridge.sync import sync

__all__ = ["Batch", "Sink", "StateStore", "StreamResult", "SyncResult", "sync"]
