"""``headwater spec``, ``check``, ``discover`` and ``read``: the commands of any connector, whoever wrote it.

Exit codes: 0 done; 1 the connector or a stream failed, or nobody reads on; 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from headwater.errors import ConfigError, FlowError

if TYPE_CHECKING:
    from headwater.bridge.foreign.source import ForeignSource
    from headwater.protocol.catalog import ConfiguredCatalog
    from headwater.protocol.messages import Message, State

_LOG = logging.getLogger("headwater")

_TEXTS = ("executable", "python", "components", "cdk", "pull", "network", "memory", "user", "entrypoint", "protocol")
_LISTS = {"requirement": "requirements", "constraint": "constraints", "mount": "mounts"}


def add_foreign(commands: Any, positive: Callable[[str], int]) -> list[argparse.ArgumentParser]:
    """Declare the commands; gives their parsers, for the options that all commands have.

    :param commands: where argparse adds commands.
    :param positive: reads a number of at least 1.
    """
    spec = commands.add_parser("spec", help="which settings a connector takes")
    check = commands.add_parser("check", help="whether a connector's settings work")
    discover = commands.add_parser("discover", help="which streams a connector offers")
    read = commands.add_parser("read", help="read a connector's streams as messages of the Airbyte protocol")
    for parser, command in ((spec, _spec), (check, _check), (discover, _discover), (read, _read)):
        _add_connector(parser)
        parser.set_defaults(command=command)
    for parser in (check, discover, read):
        parser.add_argument("--config", metavar="FILE", help="the connector's settings, a JSON file")
        parser.add_argument(
            "--update-config", action="store_true", help="write the settings back where the connector changes them"
        )
    discover.add_argument("--configured", action="store_true", help="as a configured catalog, for read --catalog")
    read.add_argument("--catalog", metavar="FILE", help="a configured catalog; default: all that is offered")
    read.add_argument("--stream", action="append", metavar="NAME", help="only this stream (repeatable)")
    read.add_argument("--state", metavar="FILE", help="where to go on from")
    read.add_argument("--full-refresh", action="store_true", help="read everything, from the beginning")
    read.add_argument("--limit", type=positive, metavar="N", help="a trial: end after N records")
    return [spec, check, discover, read]


def _add_connector(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--package", metavar="REQUIREMENT", help="a distribution of PyPI, in an environment of its own")
    which.add_argument("--manifest", metavar="FILE", help="a declarative manifest of Airbyte's")
    which.add_argument("--command", dest="program", metavar="PROGRAM", help="a program, with its first arguments")
    which.add_argument("--image", metavar="IMAGE", help="an image, in a container of its own")
    parser.add_argument(
        "--protocol", choices=("airbyte", "singer"), help="default: singer for a name of tap-, else airbyte"
    )
    parser.add_argument("--executable", metavar="NAME", help="of a package: its command")
    parser.add_argument("--python", metavar="VERSION", help="of an environment: the Python, such as 3.10")
    parser.add_argument(
        "--requirement", action="append", metavar="REQ", help="of an environment: one more (repeatable)"
    )
    parser.add_argument(
        "--constraint", action="append", metavar="REQ", help="of an environment: a version (repeatable)"
    )
    parser.add_argument("--components", metavar="FILE", help="of a manifest: its components.py, which is run")
    parser.add_argument("--cdk", metavar="REQUIREMENT", help="of a manifest: the airbyte-cdk that runs it")
    parser.add_argument("--pull", choices=("missing", "always", "never"), help="of an image: when it is fetched")
    parser.add_argument("--network", metavar="NAME", help="of a container: its network")
    parser.add_argument("--memory", metavar="SIZE", help="of a container: the most memory, such as 2g")
    parser.add_argument("--cpus", type=float, metavar="N", help="of a container: the most processors")
    parser.add_argument(
        "--mount", action="append", metavar="HOST:PATH[:ro]", help="of a container: a folder (repeatable)"
    )
    parser.add_argument("--entrypoint", metavar="PROGRAM", help="of an image: its program, where it names none")
    parser.add_argument("--user", metavar="UID", help="of a container: as whom it runs")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME[=VALUE]", help="one more variable (repeatable)"
    )
    parser.add_argument("--silence", type=float, metavar="SECONDS", help="without output for so long, it hangs")
    parser.add_argument("--singer-catalog", metavar="FILE", help="of a tap: its catalog, in place of discovery")
    parser.add_argument("--no-discover", action="store_true", help="of a tap: it has no discovery")


def _opened(options: argparse.Namespace) -> ForeignSource:
    """The connector that the options name."""
    from headwater.bridge.foreign.opened import open_source
    from headwater.bridge.runners.command import variables

    settings: dict[str, Any] = {"command": options.program} if options.program else {}
    for name in ("package", "manifest", "image", "cpus", "silence", *_TEXTS):
        if (value := getattr(options, name)) is not None:
            settings[name] = value
    for name, key in _LISTS.items():
        if (values := getattr(options, name)) is not None:
            settings[key] = values
    if options.env:
        settings["environment"] = variables(options.env)
    if options.singer_catalog:
        settings["catalog"] = options.singer_catalog
    if options.no_discover:
        settings["discover"] = False
    config = _json_object(options.config) if getattr(options, "config", None) else {}
    source = open_source(settings, config, where="The options")
    if getattr(options, "config", None):
        source.keep = lambda changed: _keep(options, changed)
    return source


def _json_object(path: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.") from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path} must hold a JSON object ({error}).") from None


def _keep(options: argparse.Namespace, config: Mapping[str, Any]) -> None:
    from headwater.bridge.states.file import write_durably

    if not options.update_config:
        sys.stderr.write(
            f"The connector changed its settings (a renewed token, say). Add --update-config to have {options.config} "
            "changed, or the next run may fail.\n"
        )
        return
    try:
        write_durably(Path(options.config), msgspec.json.format(msgspec.json.encode(config), indent=2))
    except OSError as error:
        raise FlowError(
            f"The connector changed its settings, but {options.config} can't be written ({error})."
        ) from None


def _show(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def _spec(options: argparse.Namespace) -> int:
    _show(_opened(options).spec().raw)
    return 0


def _check(options: argparse.Namespace) -> int:
    source = _opened(options)
    source.check()
    sys.stdout.write(f"The settings of {source.name} work.\n")
    return 0


def _discover(options: argparse.Namespace) -> int:
    catalog = _opened(options).discover()
    _show(catalog.configured().to_json() if options.configured else catalog.to_json())
    return 0


def _read(options: argparse.Namespace) -> int:
    from headwater.protocol.messages import Records, State

    source = _opened(options)
    states = _states(options.state) if options.state else []
    out = sys.stdout.buffer
    records = last = 0
    try:
        with closing(cast(Any, _limited(source.read(_wanted(options, source), states), options.limit))) as messages:
            for message in messages:
                out.write(_encoded(message))
                records += len(message) if isinstance(message, Records) else 0
                last = records if isinstance(message, State) else last
            out.flush()
    except BrokenPipeError:  # whoever reads is gone, maybe in the middle
        return 1
    except (KeyboardInterrupt, SystemExit):
        _LOG.warning(
            "The read was asked to stop, after %d records, %d of them before the last state. Read again with --state "
            "and what was printed: it goes on from there.", records, last,
        )  # fmt: skip
        raise
    return 0


def _states(path: str) -> list[State]:
    """Those of a state file, or the last ones of what an earlier read printed."""
    from headwater.bridge.states.store import merged
    from headwater.process.arguments import read_state
    from headwater.protocol.airbyte_lines import decode_lines
    from headwater.protocol.messages import State

    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.") from None
    printed = [message for message in decode_lines(content) if isinstance(message, State)]
    return merged((), printed) if printed else read_state(path)


def _wanted(options: argparse.Namespace, source: ForeignSource) -> ConfiguredCatalog:
    from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream

    if options.catalog:
        found = ConfiguredCatalog.from_json(_json_object(options.catalog))
    else:
        found = source.discover().configured(options.stream, full_refresh=options.full_refresh)
    names = [stream.stream.name for stream in found.streams]
    if missing := [name for name in options.stream or () if name not in names]:
        raise ConfigError(f"There is no stream {', '.join(map(repr, missing))}. There are: {', '.join(names)}.")

    def chosen(stream: ConfiguredStream) -> bool:
        return not options.stream or stream.stream.name in options.stream

    return ConfiguredCatalog(tuple(filter(chosen, found.streams)))


def _limited(messages: Iterator[Message], limit: int | None) -> Iterator[Message]:
    """The messages until so many records have come; a state comes only with all that it covers."""
    from headwater.protocol.messages import Records

    left = limit
    with closing(cast(Any, messages)):
        for message in messages:
            if left is not None and isinstance(message, Records):
                if len(message) >= left:
                    changes = {at: made for at, made in message.changes.items() if at < left}
                    yield Records(message.stream, message.data[:left], message.emitted_at, changes)
                    return
                left -= len(message)
            yield message


def _encoded(message: Message) -> bytes:
    from headwater.protocol.airbyte import encode

    return encode(message)
