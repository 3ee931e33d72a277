"""``headwater acceptance``: check any Airbyte connector.

Exit codes: 0 everything that could be checked is as it must be; 1 something is not, nothing could be checked, or the
suite itself failed; 2 wrong usage or configuration.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.acceptance.results import Result


def add_acceptance(commands: Any, positive: Callable[[str], int]) -> argparse.ArgumentParser:
    """Declare the command; gives its parser.

    :param commands: where argparse adds commands.
    :param positive: reads a number of at least 1.
    """
    parser: argparse.ArgumentParser = commands.add_parser("acceptance", help="check an Airbyte connector")
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="a connector's folder")
    parser.add_argument("--command", dest="connector", metavar="COMMAND", help="a command of this machine")
    parser.add_argument("--package", metavar="REQUIREMENT", help="a Python distribution, in an environment of its own")
    parser.add_argument("--executable", metavar="NAME", help="the package's command, if it has several")
    parser.add_argument("--image", metavar="IMAGE", help="an image, for docker")
    files = parser.add_argument_group("what it is checked with")
    files.add_argument("--config", metavar="FILE", help="the connector's config")
    files.add_argument("--config-file", metavar="FILE", help="an acceptance-test-config.yml; default: the folder's")
    files.add_argument("--invalid-config", action="append", metavar="FILE", help="one that must FAIL (repeatable)")
    files.add_argument("--catalog", metavar="FILE", help="a configured catalog; none: all of what is discovered")
    files.add_argument("--expected-records", metavar="FILE", help="records that must come, value by value")
    files.add_argument("--baseline", metavar="FOLDER", help="where the last accepted spec and catalog are kept")
    files.add_argument("--update", action="store_true", help="write baselines and expected records anew")
    files.add_argument("--empty-stream", action="append", metavar="NAME", help="may have no records (repeatable)")
    files.add_argument(
        "--ignore-field", action="append", metavar="STREAM:PATH", help="left out of comparisons (repeatable)"
    )
    files.add_argument("--metadata", metavar="FILE", help="the connector's metadata.yaml")
    files.add_argument("--env", action="append", metavar="NAME[=VALUE]", help="a variable for it (repeatable)")
    files.add_argument("--trust", metavar="FILE", help="certificates of the API, if this machine does not know them")
    files.add_argument("--consumer", metavar="COMMAND", help="reads its output in X21, in place of Headwater's bridge")
    how = parser.add_argument_group("what is checked, and how")
    how.add_argument("--only", metavar="IDS", help="these checks, such as A,E7,X1")
    how.add_argument("--skip", metavar="IDS", help="not these")
    how.add_argument("--list", action="store_true", help="list the checks")
    how.add_argument("--allow-noise", action="store_true", help="only warn of lines that are no messages")
    how.add_argument("--strict", action="store_true", help="warnings fail as well")
    how.add_argument("--seed", type=int, default=1, metavar="N", help="decides what chance decides; default 1")
    how.add_argument("--trials", type=positive, default=5, metavar="N", help="kills, and replays of states; default 5")
    how.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS", help="of each command; default 300")
    how.add_argument(
        "--patience", type=float, default=120.0, metavar="SECONDS", help="of X11, for one that waits; default 120"
    )
    how.add_argument("--jobs", type=positive, metavar="N", help="checks at once; default: 2 where there are processors")
    out = parser.add_argument_group("reports")
    out.add_argument("--junit", metavar="FILE", help="write JUnit's XML")
    out.add_argument("--json", metavar="FILE", help="write JSON")
    out.add_argument("--html", metavar="FILE", help="write a page with the runs' timelines")
    out.add_argument("--keep", metavar="FOLDER", help="keep what was recorded, and the files it was given")
    out.add_argument("--quiet", action="store_true", help="no line for what passed")
    parser.set_defaults(command=_acceptance)
    return parser


def _acceptance(options: argparse.Namespace) -> int:
    from headwater.acceptance.running import Request, listing, run

    if options.list:
        sys.stdout.write("".join(line + "\n" for line in listing()))
        return 0
    request = Request.of(options)

    def tell(result: Result) -> None:
        from headwater.acceptance.reports.terminal import line
        from headwater.acceptance.results import Outcome

        if not options.quiet or result.outcome is not Outcome.PASSED:
            sys.stdout.write(line(result) + "\n")
            sys.stdout.flush()

    return run(request, tell, lambda text: sys.stdout.write(text + "\n"), again(options))


def again(options: argparse.Namespace) -> Callable[[str], str]:
    """The command line that runs one check again, with the options that were given."""
    words = ["headwater", "acceptance"]
    if options.folder:
        words.append(options.folder)
    for flag, name in (("--command", "connector"), ("--package", "package"), ("--executable", "executable"),
                       ("--image", "image"), ("--config-file", "config_file"),
                       ("--config", "config"), ("--catalog", "catalog"),
                       ("--expected-records", "expected_records"), ("--baseline", "baseline"),
                       ("--metadata", "metadata"), ("--trust", "trust"), ("--consumer", "consumer")):  # fmt: skip
        if getattr(options, name):
            words += [flag, getattr(options, name)]
    for flag, name in (("--invalid-config", "invalid_config"), ("--empty-stream", "empty_stream"),
                       ("--ignore-field", "ignore_field"), ("--env", "env")):  # fmt: skip
        for value in getattr(options, name) or ():
            words += [flag, value]
    for flag, name, usual in (("--seed", "seed", 1), ("--trials", "trials", 5), ("--timeout", "timeout", 300.0),
                              ("--patience", "patience", 120.0)):  # fmt: skip
        if getattr(options, name) != usual:
            words += [flag, str(getattr(options, name))]
    return lambda id: shlex.join([*words, "--only", id])
