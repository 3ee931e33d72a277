"""``headwater run``: every flow of a file, one after the other."""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import msgspec

from headwater.bridge import Sink, StateStore, sync
from headwater.bridge.flow import Flow
from headwater.bridge.flow_file import load_flows
from headwater.bridge.foreign import ForeignSource, open_source
from headwater.bridge.progress import Display, beside_the_log, total_line
from headwater.bridge.result import SyncResult
from headwater.bridge.sinks import open_sink
from headwater.bridge.states.file import FileStates, write_durably
from headwater.bridge.sync import check_modes
from headwater.errors import (
    ConfigError,
    DestinationError,
    FlowError,
    HeadwaterError,
    IncompleteError,
    StateError,
    TransientError,
)
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.readable import Readable

_LOG = logging.getLogger("headwater")


def run(options: argparse.Namespace) -> int:
    """Run the flows; a flow that fails does not keep the others from running.

    Returns the exit code: 0 when all are complete, else 1; 2 when every failure was a wrong configuration
    before anything was read.
    """
    flows = load_flows(options.file, names=options.flow)
    if options.state_file and len(flows) > 1:
        raise FlowError(f"--state-file is for one flow, but {options.file} has {len(flows)}.")
    codes = []
    for flow in flows:
        try:
            _run(flow, options)
            codes.append(0)
        except _NotStarted as error:
            _complain(error.error, flow, options)
            codes.append(2)
        except Exception as error:  # noqa: BLE001 - every failure is told, and the next flow runs
            _complain(error, flow, options)
            codes.append(1)
    return 1 if 1 in codes else max(codes)


class _NotStarted(Exception):
    """A configuration is wrong; nothing was read."""

    def __init__(self, error: HeadwaterError) -> None:
        super().__init__(str(error))
        self.error = error


def _run(flow: Flow, options: argparse.Namespace) -> None:
    try:
        if options.stream:
            flow = flow.only(options.stream)
        sink = open_sink(flow.url, flow=flow.name, base=flow.folder, options=flow.sql)
        if options.state_file and sink.states is not None:
            raise FlowError(
                f"The flow {flow.name!r} keeps its states in its destination, together with the rows; "
                "leave --state-file out."
            )
        source = connect(flow)
        catalog = flow.configure(source.discover(), sink.modes, full_refresh=options.full_refresh)
        check_modes(catalog, sink)
    except (FlowError, ConfigError) as error:
        raise _NotStarted(error) from error
    path = Path(options.state_file) if options.state_file else flow.state
    with FileStates(path) if sink.states is None else nullcontext() as states:
        _sync(flow, source, catalog, sink, states, options)


def _sync(
    flow: Flow,
    source: Readable,
    catalog: ConfiguredCatalog,
    sink: Sink,
    states: StateStore | None,
    options: argparse.Namespace,
) -> None:
    count = len(catalog.streams)
    _LOG.info("Flow %s: %d stream%s of %s.", flow.name, count, "" if count == 1 else "s", flow.connector)
    if not count:
        _LOG.warning("Flow %s: nothing is read, as the source has no streams. Look at its settings.", flow.name)
    display = None if options.no_progress else Display(sys.stderr, lambda line: _LOG.info("%s", line))
    so_far = SyncResult.of(catalog.streams)

    def progress(result: SyncResult) -> None:
        nonlocal so_far
        so_far = result
        if display is not None:
            display(result)
        elif result.duration is not None:
            _LOG.info("%s", total_line(result))

    with beside_the_log(display) if display else nullcontext():
        try:
            result = sync(
                source,
                catalog,
                sink,
                states,
                limit=options.limit,
                everything=flow.streams is None,
                progress=progress,
                control=lambda config: keep_config(flow, config),
            )
        except (KeyboardInterrupt, SystemExit):
            _LOG.warning("Flow %s: %s", flow.name, stopped_line(so_far))
            raise
    for name, stream in result.streams.items():
        if stream.refused:
            _LOG.warning(
                "Flow %s, stream %r: the destination refused %d records; they are in its table _headwater_refused.",
                flow.name, str(name), stream.refused,
            )  # fmt: skip


def stopped_line(result: SyncResult) -> str:
    """What became of a sync that was asked to stop."""
    states = sum(stream.states for stream in result.streams.values())
    return (
        f"it was asked to stop. Of {result.records:,} rows that were read {result.landed:,} are in the destination; "
        f"{states:,} state{'' if states == 1 else 's'} of this run {'is' if states == 1 else 'are'} stored. "
        "Run again: it goes on from the last state."
    )


def connect(flow: Flow) -> Readable:
    """The flow's source with its settings.

    :raises ConfigError: when no such connector is installed or a setting is wrong.
    """
    from headwater import registry

    config = kept_config(flow) or dict(flow.config)
    if flow.foreign is None:
        source: Any = registry.find(flow.connector).from_config(config)
    else:
        source = open_source(flow.foreign, config, where=f"[sources.{flow.source}]", base=flow.folder)
    if isinstance(source, ForeignSource):
        source.keep = lambda changed: keep_config(flow, changed)  # also where it is told before the read
    return cast(Readable, source)


def keep_config(flow: Flow, config: Mapping[str, Any]) -> None:
    """Keep the config that a source asks to keep (a token was renewed), for this user's eyes only.

    It is used instead of the TOML file's until that one changes.
    """
    content = msgspec.json.encode({"for": _digest(flow.config), "config": config})
    try:
        write_durably(_config_path(flow), content)
    except OSError as error:
        raise FlowError(
            f"The source {flow.source!r} renewed its settings, but {_config_path(flow)} can't be written "
            f"({error.strerror})."
        ) from error


def kept_config(flow: Flow) -> dict[str, Any] | None:
    """What :func:`keep_config` kept; None when nothing was, or when the TOML file's settings changed since."""
    try:
        kept = msgspec.json.decode(_config_path(flow).read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise FlowError(f"{_config_path(flow)} can't be read ({error}). Mend it, or delete it.") from None
    return kept.get("config") if kept.get("for") == _digest(flow.config) else None


def _config_path(flow: Flow) -> Path:
    return flow.folder / ".headwater" / "config" / f"{flow.source}.json"


def _digest(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()


def paragraph(error: BaseException, flow: str | None = None) -> str:
    """An error for people: where, what, and whose turn it is; one for all streams that failed alike."""
    if not isinstance(error, IncompleteError):
        stream = getattr(error, "stream", None)
        return _paragraph(error, flow, [stream] if stream else [])
    alike: dict[str, tuple[Exception, list[str]]] = {}
    for stream, one in error.errors.items():
        alike.setdefault(str(one), (one, []))[1].extend([stream] if stream else [])
    return "\n\n".join(_paragraph(one, flow, streams) for one, streams in alike.values())


def _paragraph(error: BaseException, flow: str | None, streams: list[str]) -> str:
    parts = [f"flow {flow!r}"] if flow else []
    if streams:
        parts.append(f"stream{'s' if len(streams) > 1 else ''} {', '.join(map(repr, streams))}")
    what = str(error) if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {error}"
    where = f" {', '.join(parts)}" if parts else ""
    return f"FAILED{where}: {what}\n  {_turn(error)}"


def _turn(error: BaseException) -> str:
    if isinstance(error, TransientError) or getattr(error, "failure_type", "") == "transient_error":
        return "Nobody's turn: run again later; it goes on from where it was."
    if getattr(error, "failure_type", "") == "config_error":
        return "Your turn: change the configuration, or the permission, then run again."
    if isinstance(error, DestinationError):
        return "The destination's turn: mend that, then run again; it goes on from where it was."
    if isinstance(error, StateError):
        return "Your turn: mend the state, then run again."
    return "The connector's author's turn: tell them, with the log of --debug. What landed is safe."


def _complain(error: BaseException, flow: Flow, options: argparse.Namespace) -> None:
    sys.stderr.write(paragraph(error, flow.name) + "\n")
    if options.debug:
        if internal := getattr(error, "internal", None):
            sys.stderr.write(f"  {internal}\n")
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
