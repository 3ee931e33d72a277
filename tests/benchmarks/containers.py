"""Out of a container: ``docker run`` into /dev/null against a runner that reads, and a source that reads records.

The container prints the same lines of 0.5 KB for all. What is compared is the seconds from its start to its end, the
engine's CPU seconds (its daemon's and its shims'), and our own: round by round in turn, as wall times depend on what
else the machine does. Needs a Docker engine and a base image: tests/containers/engine gives both.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from headwater.bridge.foreign import ForeignSource
from headwater.bridge.runners import DockerRunner
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records

from .process import Failed

ENGINE = Path(__file__).parents[1] / "containers" / "engine"
_TEXT = "x" * 400
_LINE = f'{{"type":"RECORD","record":{{"stream":"a","data":{{"id":1,"text":"{_TEXT}"}},"emitted_at":1700000000000}}}}'
_PRINTS = """
import os, sys
line, count, at_once = sys.argv[1].encode() + b"\\n", int(sys.argv[2]), int(sys.argv[3])
for _ in range(count // at_once):
    left = memoryview(line * at_once)
    while left:
        left = left[os.write(1, left):]
"""
_END = '{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1,"stream_status":{"stream_descriptor":{"name":"a"},"status":"COMPLETE"}}}'  # noqa: E501
WAYS = ("docker run", "docker run, log driver none", "ours, attached", "ours", "ours, records decoded")


def measure(rounds: int, megabytes: int) -> str:
    """The tables, for lines written many at once and one by one.

    :raises Failed: when there is no engine, or a way gives too little.
    """
    done = subprocess.run([str(ENGINE)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr.strip())
    image = done.stdout.strip().rpartition("BASE_IMAGE=")[2]
    parts = []
    for at_once, share in ((128, megabytes), (1, megabytes // 4)):
        count = share * 1_000_000 // (len(_LINE) + 1) // 128 * 128
        found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                found[way].append(_timed(way, image, count, at_once))
        parts.append(_table(found, share, at_once))
    return "\n\n".join(parts)


def _timed(way: str, image: str, count: int, at_once: int) -> tuple[float, float, float]:
    """Wall seconds, the engine's CPU seconds, our own."""
    program = ["python3", "-c", f"{_PRINTS}print('''{_END}''')", _LINE, str(count), str(at_once)]
    engine, own, wall = _engine_cpu(), time.process_time(), time.monotonic()
    _run(way, image, program, count)
    return time.monotonic() - wall, _engine_cpu() - engine, time.process_time() - own


def _run(way: str, image: str, program: list[str], count: int) -> None:
    if way.startswith("docker run"):
        driver = ["--log-driver", "none"] if "none" in way else []
        command = ["docker", "run", "--rm", "--network", "none", *driver, image, *program]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return
    runner = DockerRunner(image, entrypoint=program, attach="attached" in way)
    if "decoded" in way:
        catalog = ConfiguredCatalog((ConfiguredStream(CatalogStream("a", {}, ("full_refresh",)), "full_refresh"),))
        source = ForeignSource({}, runner=runner)
        got = sum(len(message) for message in source.read(catalog) if isinstance(message, Records))
    else:
        with closing(runner.start([], network=False)) as process:
            got = (sum(map(len, _chunks(process.read))) - len(_END) - 1) // (len(_LINE) + 1)
    if got != count:
        raise Failed(f"{way} gave {got} of {count} lines.")


def _chunks(read: Callable[[], bytes]) -> Iterator[bytes]:
    return iter(read, b"")


def _engine_cpu() -> float:
    """Of the daemon and containerd, with all that they started and have reaped; what runs now is not counted."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() in ("dockerd", "containerd"):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:13]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def _table(found: dict[str, list[tuple[float, float, float]]], share: int, at_once: int) -> str:
    slowest = median(run[0] for run in found[WAYS[0]])
    lines = [
        f"{share} MB of lines of {len(_LINE) + 1} bytes, {at_once} a write; medians of {len(found[WAYS[0]])}",
        "",
        "| way | MB per second | times `docker run` | the engine's CPU s | our CPU s |",
        "|---|---|---|---|---|",
    ]
    for way, runs in found.items():
        wall, engine, own = (median(run[index] for run in runs) for index in range(3))
        lines.append(f"| {way} | {share / wall:.0f} | {slowest / wall:.1f} | {engine:.2f} | {own:.2f} |")
    return "\n".join(lines)
