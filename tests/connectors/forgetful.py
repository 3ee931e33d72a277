"""A connector with a ``read`` of its own, which does not say how its streams end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Message, State, Status, StreamStatus
from tests.connectors.toy import ToySource
from tests.connectors.toy_base import log


class Forgetful(ToySource):
    """See above."""

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        first, *others = [stream.descriptor for stream in catalog.streams]
        yield StreamStatus(first, Status.STARTED)
        yield StreamStatus(first, Status.COMPLETE)
        for name in others:
            yield StreamStatus(name, Status.STARTED)
        if self.config.check == "bug":
            raise KeyError("bug")
        log.info("waiting now")
        time.sleep(300)


if __name__ == "__main__":
    Forgetful.main()
