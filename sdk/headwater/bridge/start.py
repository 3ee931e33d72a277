"""What a sync starts from: the stored states that count, and those of streams that are gone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from headwater.bridge.choice import listed
from headwater.bridge.states.store import without
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import State

_LOG = logging.getLogger("headwater.source")
# What the airbyte-cdk writes where there is nothing to go on from.
_SENTINELS = ("__ab_no_cursor_state_message", "__ab_full_refresh_sync_complete")


def resumable(states: Sequence[State], catalog: ConfiguredCatalog) -> list[State]:
    """The stored states that a new sync of this catalog starts from.

    A stream that is read whole gets none, as on Airbyte's platform (a source that got the state of a finished
    full refresh would read nothing).
    """
    streams = catalog.streams
    whole = [stream.descriptor for stream in streams if stream.sync_mode == "full_refresh"]
    if len(whole) == len(streams):
        return []
    known = {stream.descriptor for stream in streams}
    return [
        state
        for state in without(states, whole)
        if (state.stream is None or state.stream in known)
        and not any(name in (state.stream_state or ()) for name in _SENTINELS)
    ]


def tell_gone(known: Iterable[str], offered: Iterable[str]) -> None:
    """Warn of streams that were read before and that the source does not offer any more.

    :param known: the full names of those that have a state.
    :param offered: those of all that the source offers.
    """
    gone = sorted({*known} - {*offered})
    if gone:
        _LOG.warning(
            "The source does not offer %s any more, which was read before. What landed of it stays as it is. If it was "
            "renamed or dropped by mistake, or if a right or a setting is missing, mend that; if it is gone for good, "
            "clear its state.", listed(gone),
        )  # fmt: skip
