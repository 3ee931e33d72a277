"""The progress of all syncs of a data job, drawn as one."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from headwater.bridge.progress import Display, beside_the_log
from headwater.bridge.result import StreamResult, SyncResult
from headwater.protocol.messages import StreamDescriptor

log = logging.getLogger(__name__)


class JobProgress:
    """Lines that are drawn anew on a terminal, else a line in the job's log now and then."""

    def __init__(self) -> None:
        self._display = Display(sys.stderr, lambda line: log.info("%s", line))
        self._results: dict[str, SyncResult] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._beside = ExitStack()

    def of(self, sync: str) -> Callable[[SyncResult], None]:
        """What one sync tells its progress to.

        :param sync: its name, shown before its streams' where there are several.
        """

        def show(result: SyncResult) -> None:
            with self._lock:
                if not self._results:
                    self._beside.enter_context(beside_the_log(self._display))
                self._results[sync] = result
                self._display(self._together())

        return show

    def close(self) -> None:
        """All syncs have ended."""
        self._beside.close()

    def _together(self) -> SyncResult:
        streams: dict[StreamDescriptor, StreamResult] = {}
        for sync, result in self._results.items():
            for descriptor, stream in result.streams.items():
                name = descriptor if len(self._results) == 1 else StreamDescriptor(f"{sync}: {descriptor}")
                streams[name] = stream
        ended = all(result.duration is not None for result in self._results.values())
        return SyncResult(streams, duration=time.monotonic() - self._began if ended else None, _started=self._began)
