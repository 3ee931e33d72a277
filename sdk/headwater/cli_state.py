"""``headwater state``: what is stored of where the flows of a file have come."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from headwater.bridge.flow import Flow
from headwater.bridge.flow_file import load_flows
from headwater.bridge.sinks import open_sink
from headwater.bridge.states.file import FileStates
from headwater.bridge.states.store import streams_of, without
from headwater.errors import FlowError
from headwater.protocol.messages import State


class _Store(Protocol):
    def load(self) -> list[State]: ...

    def replace(self, states: Sequence[State]) -> None: ...


def state(options: argparse.Namespace) -> int:
    """Show the states as JSON, or clear them; all, or those of the named streams."""
    for flow in load_flows(options.file, sources=False, names=options.flow):
        with _store(flow, options) as store:
            states = store.load()
            if options.what == "show":
                _show(flow, _of(states, options.stream))
            else:
                _clear(flow, store, states, options.stream)
    return 0


def _show(flow: Flow, states: list[State]) -> None:
    shown = {"flow": flow.name, "states": [state.raw for state in states]}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode() + "\n")


def _clear(flow: Flow, store: _Store, states: list[State], names: list[str] | None) -> None:
    if names is None:
        store.replace([])
        sys.stderr.write(f"Flow {flow.name}: {len(states)} states cleared.\n")
        return
    if any(state.type == "LEGACY" for state in states):
        raise FlowError(f"The flow {flow.name!r} has one state for all its streams: clear it whole.")
    streams = {stream for stream in streams_of(states) if stream.name in names}
    missing = [name for name in names if name not in {stream.name for stream in streams}]
    if missing:
        raise FlowError(f"The flow {flow.name!r} has no state of stream {', '.join(map(repr, missing))}.")
    store.replace(without(states, streams))
    sys.stderr.write(f"Flow {flow.name}: the state of {', '.join(names)} was cleared.\n")


def _of(states: list[State], names: list[str] | None) -> list[State]:
    if names is None:
        return states
    return [state for state in states if state.stream is None or state.stream.name in names]


@contextmanager
def _store(flow: Flow, options: argparse.Namespace) -> Iterator[_Store]:
    sink = open_sink(flow.url, flow=flow.name, base=flow.folder)
    if sink.states is None or options.state_file:
        with FileStates(Path(options.state_file) if options.state_file else flow.state) as states:
            yield states
        return
    from headwater.bridge.sinks.sql import SqlSink

    assert isinstance(sink, SqlSink)
    try:
        sink.connect()
        yield sink.states
    finally:
        sink.close()
