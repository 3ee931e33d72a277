"""``headwater schema``: write a JSON Schema from real records, or compare records with one.

Exit codes: 0 done, and all records fit; 1 some don't, or there are none; 2 wrong usage, file or config.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError, SkipSlice

if TYPE_CHECKING:
    from headwater.stream import Stream

_FITS, _MISFITS = 0, 1


def add_schema(commands: Any, positive: Callable[[str], int]) -> list[argparse.ArgumentParser]:
    """Declare the command; gives its parsers, for the options that all commands have.

    :param commands: where argparse adds commands.
    :param positive: reads a number of at least 1.
    """
    parser = commands.add_parser("schema", help="infer a stream's JSON Schema from records, or compare them")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    infer = actions.add_parser("infer", help="write a JSON Schema from records")
    check = actions.add_parser("check", help="compare records with a JSON Schema; exit code 1 on misfits")
    for action in (infer, check):
        action.add_argument(
            "file", nargs="?", metavar="FILE", help="records as JSON lines, or a connector's output; - or none: stdin"
        )
        action.add_argument("--source", metavar="NAME", help="read an installed connector instead")
        action.add_argument("--config", metavar="FILE", help="the connector's config")
        action.add_argument("--stream", metavar="NAME", help="which stream's records")
        action.add_argument("--limit", type=positive, metavar="N", help="at most N records")
    infer.add_argument("--merge", metavar="SCHEMA", help="widen this JSON Schema instead of beginning anew")
    infer.add_argument("--output", metavar="SCHEMA", help="write there instead of to stdout")
    infer.set_defaults(command=_infer)
    check.add_argument("--schema", metavar="SCHEMA", help="the JSON Schema; none: that of --source's stream")
    check.add_argument("--coerce", action="store_true", help="allow what coercion brings to the schema without loss")
    check.add_argument("--allow-undeclared", action="store_true", help="allow fields that the schema doesn't have")
    check.set_defaults(command=_check)
    return [infer, check]


def _infer(options: argparse.Namespace) -> int:
    from headwater.schemas.infer import inferred

    existing = _load(options.merge) if options.merge else None
    found = inferred(islice(_records(options), options.limit), existing)
    if not found.records:
        return _none()
    text = json.dumps(found.schema, indent=2, ensure_ascii=False) + "\n"
    if options.output:
        _write(Path(options.output), text)
    else:
        sys.stdout.write(text)
    for field, kinds in found.mixed.items():
        sys.stderr.write(
            f"{field} comes as {', '.join(kinds)}: declared as string. "
            "Set `coerce = True` on the stream, which makes it one.\n"
        )
    return _FITS


def _check(options: argparse.Namespace) -> int:
    from headwater.coercion import Coercion
    from headwater.schemas.misfits import misfits

    if not options.schema and not options.source:
        raise ConfigError("schema check: say which --schema, or which --source and --stream.")
    schema, coerce = _schema(options)
    coercion = Coercion(schema) if options.coerce or coerce else None
    found, count = misfits(islice(_records(options), options.limit), schema, coercion)
    if not count:
        return _none()
    shown = [misfit for misfit in found if not (misfit.undeclared and options.allow_undeclared)]
    for misfit in shown:
        sys.stdout.write(f"{misfit}\n")
    sys.stderr.write(f"{count} records looked at: " + ("not all fit.\n" if shown else "all fit.\n"))
    return _MISFITS if shown else _FITS


def _none() -> int:
    sys.stderr.write("There are no records, so nothing is known of them.\n")
    return _MISFITS


def _schema(options: argparse.Namespace) -> tuple[Mapping[str, Any], bool]:
    """What to compare with, and whether the stream coerces its records anyway."""
    if options.schema:
        return _load(options.schema), False
    from headwater.schemas.asked import schema_of

    stream = _stream(options)
    return schema_of(stream), stream.coerce


def _records(options: argparse.Namespace) -> Iterator[Any]:
    from headwater.schemas.records import of_lines

    if options.source:
        if options.file:
            raise ConfigError("schema: records come from a FILE or from --source, not from both.")
        yield from _records_of(_stream(options))
    elif options.file in (None, "-"):
        yield from of_lines(sys.stdin.buffer, "stdin", options.stream)
    else:
        try:
            with open(options.file, "rb") as file:
                yield from of_lines(file, options.file, options.stream)
        except OSError as error:
            raise ConfigError(f"{options.file} can't be read: {error.strerror}.") from error


def _records_of(stream: Stream) -> Iterator[Any]:
    """As its source has them, before any coercion."""
    from headwater.schemas.conversions import decode_exactly

    for slice in stream.from_start():
        with suppress(SkipSlice):
            for page in stream.pages(slice):
                yield from map(decode_exactly, page.data)


def _stream(options: argparse.Namespace) -> Stream:
    """The stream of ``--source``, made once."""
    if "opened" not in options:
        from headwater import registry
        from headwater.process.arguments import read_config

        if not options.config or not options.stream:
            raise ConfigError("schema: --source also takes a --config and a --stream.")
        source = registry.find(options.source).from_config(read_config(options.config))
        streams = {stream.name: stream for stream in source.streams()}
        if options.stream not in streams:
            raise ConfigError(f"{options.source} has no stream {options.stream!r}; it has {', '.join(streams)}.")
        options.opened = streams[options.stream]
    found: Stream = options.opened
    return found


def _load(path: str) -> Mapping[str, Any]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no usable JSON Schema ({error}).") from error
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path} must hold a JSON object.")
    return found


def _write(path: Path, text: str) -> None:
    """Whole or not at all: it may be the file that is merged with."""
    new = path.with_name(path.name + ".new")
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}.") from error
