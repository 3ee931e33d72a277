"""Serves the stand-in until it is interrupted: `python -m tests.github_api --repos 2 --size 300`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from .api import TOKEN, Drift, GithubApi
from .repo import Repo

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.github_api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--repos", type=int, default=2, help="how many repositories the owner has")
    parser.add_argument("--owner", default="octo")
    parser.add_argument("--owner-type", default="Organization", choices=["Organization", "User"])
    parser.add_argument("--size", type=int, default=300, help="issues a repository; the rest follows from it")
    parser.add_argument("--seed", default="7")
    parser.add_argument("--real", metavar="FOLDER", help="recorded payloads, served as PyGithub/PyGithub")
    parser.add_argument("--token", action="append", metavar="TOKEN", help=f"accepted; default {TOKEN}")
    parser.add_argument("--anonymous", action="store_true", help="serve requests without a token too")
    parser.add_argument("--quota", type=int, default=5000, help="requests a token and window")
    parser.add_argument("--window", type=float, default=3600.0, help="seconds until a quota is full again")
    parser.add_argument("--page-size-cap", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds every answer takes at least")
    parser.add_argument("--gzip", action="store_true", help="compress for readers that accept it")
    parser.add_argument("--max-concurrency", type=int, help="more requests at once meet the secondary limit")
    parser.add_argument("--cursor-after", type=int, help="issue pages above this one need a cursor")
    parser.add_argument("--drift", type=int, default=0, metavar="N", help="touch issues after every N requests")
    parser.add_argument("--drift-items", type=int, default=1, metavar="K", help="how many issues that is")
    parser.add_argument("--unreliable", type=float, default=0.0, metavar="P", help="chance of a 502 a request")
    return parser.parse_args(argv)


def name_of(n: int) -> str:
    """The name of the n-th repository."""
    return NAMES[n] if n < len(NAMES) else f"repo-{n}"


def main(argv: list[str] | None = None) -> int:
    """Serves until SIGINT or SIGTERM; the first line of the output is the base URL."""
    given = arguments(argv)
    repos = {f"{given.owner}/{name_of(n)}": Repo(given.size, owner_type=given.owner_type) for n in range(given.repos)}
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with GithubApi(
        repos,
        seed=given.seed,
        host=given.host,
        port=given.port,
        tokens=given.token or (TOKEN,),
        anonymous=given.anonymous,
        quota_limit=given.quota,
        quota_window=given.window,
        page_size_cap=given.page_size_cap,
        latency=given.latency,
        gzip=given.gzip,
        max_concurrency=given.max_concurrency,
        cursor_after=given.cursor_after,
        real=given.real,
        drift=[Drift(given.drift, touch=given.drift_items)] if given.drift else (),
    ) as api:
        if given.unreliable:
            api.fault("status", "/repos/*", status=502, probability=given.unreliable, times=None)
        print(api.url, flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
