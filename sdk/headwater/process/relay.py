"""What a source says goes out as it comes; when it is to stop, its last words too, unless they can't be trusted."""

from __future__ import annotations

from collections.abc import Callable
from types import GeneratorType

from headwater.errors import Stopped
from headwater.process.stop import Stop
from headwater.protocol.messages import Message, Records, State, Status, StreamStatus


def relay(messages: GeneratorType[Message, None, None], stop: Stop, send: Callable[[Message], None]) -> None:
    """Give the messages to ``send``. When the read is to stop, the source is told where it waits for the next one to
    be asked for, and what it says then (a state, INCOMPLETE) is sent too.

    An author's code may take that for an error and go on, or for the end of what there is. It is told again then, and
    no state is sent any more: one would say of a slice that was cut short that it was read.

    :raises Stopped: when it was told to stop.
    """
    stop.messages = messages
    last: list[State] = []
    goes_on = trusted = True
    try:
        while True:
            # once, be it here or by a signal in the middle of the source; and again
            if stop.code is not None and (not stop.told or goes_on):
                message = messages.throw(stop.tell())
            else:
                message = next(messages)
            goes_on = _goes_on(message)
            stop.heard = stop.told and not goes_on
            if stop.told and goes_on:
                trusted = False
                last.clear()
            if stop.told and isinstance(message, State):
                last += (message,) if trusted else ()  # until it is known whether the stream is told to be incomplete
                continue
            if stop.told and isinstance(message, StreamStatus):
                if goes_on:
                    continue
                _send_all(last, send)
            send(message)
    except StopIteration:
        if stop.told:
            raise Stopped from None
    finally:
        _send_all(last, send)


def _goes_on(message: Message) -> bool:
    """Whether who says this was not told to stop, or did not heed it."""
    if isinstance(message, StreamStatus):
        return message.status is not Status.INCOMPLETE
    return isinstance(message, Records)


def _send_all(states: list[State], send: Callable[[Message], None]) -> None:
    while states:
        send(states.pop(0))
