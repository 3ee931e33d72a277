"""The command ``headwater``: run flows, list connectors, look at states and schemas, check connectors.

Exit codes: 0 all streams complete; 1 something failed, or nobody reads the output any more; 2 wrong usage or
configuration, nothing was read; 130 and 143 after an interrupt and a SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import headwater
from headwater.cli_acceptance import add_acceptance
from headwater.cli_foreign import add_foreign
from headwater.cli_image import add_image
from headwater.cli_schema import add_schema
from headwater.errors import ConfigError, FlowError, HeadwaterError

OK, FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if options.debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    try:
        before = signal.signal(signal.SIGTERM, _terminate)
    except ValueError:  # not in the main thread
        before = None
    try:
        code = int(options.command(options))
        sys.stdout.flush()  # here, as at Python's end it could only be complained of
        return code
    except (FlowError, ConfigError) as error:
        complain(error)
        return USAGE
    except HeadwaterError as error:
        complain(error)
        return FAILED
    except BrokenPipeError:  # what was to be told was cut off
        _silence()
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def complain(error: BaseException, flow: str | None = None) -> None:
    """One paragraph on stderr: which flow and stream, what, and whose turn it is."""
    from headwater.cli_run import paragraph

    sys.stderr.write(paragraph(error, flow) + "\n")


def _silence() -> None:
    """Nothing more is written to where nobody reads: Python would try again at its end, and complain."""
    with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="headwater", description="Run flows from sources into databases.")
    parser.add_argument("--version", action="version", version=f"headwater {headwater.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the flows of a TOML file")
    run.add_argument("file", metavar="FLOW.TOML")
    run.add_argument("--limit", type=_positive, metavar="N", help="a trial: at most N records of each stream")
    run.add_argument("--flow", action="append", metavar="NAME", help="only this flow (repeatable)")
    run.add_argument("--stream", action="append", metavar="NAME", help="only this stream (repeatable)")
    run.add_argument("--full-refresh", action="store_true", help="read everything again, from the beginning")
    run.add_argument("--state-file", metavar="FILE", help="keep the states in this file")
    run.add_argument("--no-progress", action="store_true", help="show no progress")
    run.set_defaults(command=_run)

    listing = commands.add_parser("list", help="list the installed connectors")
    listing.set_defaults(command=_list)

    state = commands.add_parser("state", help="show or clear the stored states of flows")
    state.add_argument("what", choices=("show", "clear"))
    state.add_argument("file", metavar="FLOW.TOML")
    state.add_argument("--flow", action="append", metavar="NAME", help="only this flow (repeatable)")
    state.add_argument("--stream", action="append", metavar="NAME", help="only this stream (repeatable)")
    state.add_argument("--state-file", metavar="FILE", help="the file in which the states are kept")
    state.set_defaults(command=_state)

    more = (*add_schema(commands, _positive), add_acceptance(commands, _positive), *add_image(commands))
    for command in (run, listing, state, *add_foreign(commands, _positive), *more):
        command.add_argument("--debug", action="store_true", help="more to the log, and tracebacks")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def _run(options: argparse.Namespace) -> int:
    from headwater.cli_run import run

    return run(options)


def _state(options: argparse.Namespace) -> int:
    from headwater.cli_state import state

    return state(options)


def _list(options: argparse.Namespace) -> int:
    from headwater import registry

    for name in registry.names():
        sys.stdout.write(name + "\n")
    return OK


if __name__ == "__main__":
    sys.exit(main())
