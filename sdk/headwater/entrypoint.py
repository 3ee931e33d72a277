"""A connector's command line: ``spec``, ``check``, ``discover`` and ``read`` of the Airbyte protocol.

Standard output carries messages of the protocol and nothing else. Exit codes: 0, all was done (also a
``check`` that says no); 1, it failed, and an ERROR trace says why; 2, the command line is wrong.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

from headwater.errors import ConfigError, HeadwaterError, IncompleteError, TransientError
from headwater.process.arguments import UsageError, parse_arguments, read_catalog, read_config, read_state
from headwater.process.masking import Mask
from headwater.process.wire import Wire
from headwater.protocol.messages import CatalogMessage, ConnectionStatus, ErrorTrace, Level, Log
from headwater.source import Source


def launch(source_class: type[Source], argv: Sequence[str] | None = None) -> int:
    """Run one command of a connector; what it has to say goes to standard output.

    :param argv: the arguments; None: the process's.
    :return: the exit code.
    """
    from headwater.config import secrets_in

    wire = Wire(1, Mask())
    try:
        arguments = parse_arguments(f"source-{source_class.name}", "0", argv)
    except UsageError as error:
        sys.stderr.write(error.usage)
        _fail(wire, error)
        return 2
    try:
        if arguments.command == "spec":
            wire.write(source_class.spec())
            return 0
        raw: dict[str, Any] = read_config(arguments.config)
        spec = source_class.spec().raw
        wire.mask.add(secrets_in(raw, spec["connectionSpecification"]))
        if arguments.command == "check":
            return _check(source_class, raw, wire)
        source = source_class.from_config(raw)
        if arguments.command == "discover":
            wire.write(CatalogMessage(source.discover().to_json()))
            return 0
        catalog, state = read_catalog(arguments.catalog), read_state(arguments.state)
        source.emit = wire.write  # type: ignore[method-assign]
        for message in source.read(catalog, state):
            wire.write(message)
        return 0
    except IncompleteError:
        return 1
    except Exception as error:  # noqa: BLE001 - told on the wire
        _fail(wire, error)
        return 1


def _check(source_class: type[Source], raw: dict[str, Any], wire: Wire) -> int:
    try:
        source_class.from_config(raw).check()
    except (ConfigError, TransientError) as error:
        wire.write(ConnectionStatus(False, error.message))
        return 0
    wire.write(ConnectionStatus(True))
    return 0


def _fail(wire: Wire, error: Exception) -> None:
    stack = "".join(traceback.format_exception(error))
    if isinstance(error, HeadwaterError):
        trace = ErrorTrace(error.message, error.failure_type, None, error.internal, stack)
    else:
        name = type(error).__name__
        trace = ErrorTrace(f"The connector failed: {name}. This is a bug of the connector.", "system_error", None,
                           f"{name}: {error}", stack)  # fmt: skip
    wire.write(Log(Level.FATAL, trace.message, stack))
    wire.write(trace)
