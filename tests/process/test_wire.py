"""The wire knows which streams were told to have begun."""

from __future__ import annotations

import os

from headwater.process.masking import Mask
from headwater.process.wire import Wire
from headwater.protocol.messages import Status, StreamDescriptor, StreamStatus

ITEMS, OTHERS = StreamDescriptor("items"), StreamDescriptor("others")


def test_what_is_left_to_be_said_of_streams() -> None:
    reader, writer = os.pipe()
    wire = Wire(writer, Mask())
    for name, status in ((ITEMS, Status.STARTED), (OTHERS, Status.STARTED), (OTHERS, Status.RUNNING)):
        wire.write(StreamStatus(name, status))
    assert wire.unfinished() == [StreamStatus(ITEMS, Status.INCOMPLETE), StreamStatus(OTHERS, Status.INCOMPLETE)]
    wire.write(StreamStatus(OTHERS, Status.COMPLETE))
    for status in wire.unfinished():
        wire.write(status)
    assert not wire.unfinished()
    os.close(writer)
    with open(reader) as lines:
        assert ["INCOMPLETE" in line for line in lines] == [False, False, False, False, True]


def test_a_thread_that_still_waits_says_nothing_of_a_stream_that_is_over() -> None:
    reader, writer = os.pipe()
    wire = Wire(writer, Mask())
    waits = StreamStatus(ITEMS, Status.RUNNING, rate_limited=True)
    wire.write(waits)
    assert not wire.unfinished()
    wire.write(StreamStatus(ITEMS, Status.STARTED))
    wire.write(StreamStatus(ITEMS, Status.INCOMPLETE))
    wire.write(waits)
    assert not wire.unfinished()
    os.close(writer)
    with open(reader) as lines:
        assert len(list(lines)) == 3
