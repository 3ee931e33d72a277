"""What is shown of a running sync."""

from __future__ import annotations

import io
import os
import time
from typing import Any

import pytest

from headwater.bridge.progress import Display, size, total_line
from headwater.bridge.result import SyncResult
from headwater.protocol.messages import Estimate, Status, StreamDescriptor
from tests.bridge.fakes import configured


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def result(*names: str) -> SyncResult:
    made = SyncResult.of(configured(*(names or ("issues", "commits"))).streams)
    for stream in made.streams.values():
        stream.status, stream.records, stream.bytes = Status.RUNNING, 1234, 5_600_000
    return made


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_size(width: int, height: int = 24) -> None:
        monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((width, height)))

    set_size(100)
    return set_size


def test_on_a_terminal(columns: Any) -> None:
    out, of = Terminal(), result()
    issues, commits = of.streams.values()
    issues.rate_limited, issues.quota_reset = True, 1_700_000_000_000
    commits.estimate = Estimate(StreamDescriptor("commits"), rows=2468)
    display = Display(out, lambda line: None)
    display(of)
    first = out.getvalue()
    until = time.strftime("%H:%M:%S", time.localtime(1_700_000_000))
    assert "1,234 rows" in first and "5.6 MB" in first and f"waiting for quota until {until}" in first
    assert "50% of about 2,468" in first and "0 of 2 streams complete" in first
    issues.rate_limited, issues.status = False, Status.COMPLETE
    display(of)
    assert out.getvalue()[len(first) :].startswith("\x1b[3A\x1b[J")
    of.end()
    display(of)
    assert "complete" in out.getvalue()
    display.erase()  # nothing is drawn any more


def test_of_what_failed_the_last_line_says_how_much_has_landed() -> None:
    of = result("issues")
    (issues,) = of.streams.values()
    issues.landed = 1000
    assert "in the destination" not in total_line(of)
    of.end()
    assert total_line(of).startswith("1,234 rows, 1,000 of them in the destination, 5.6 MB")
    issues.status = Status.COMPLETE
    assert total_line(of).startswith("1,234 rows, 5.6 MB")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (10, 3), (0, 0), (200, 8)])
def test_in_any_window(columns: Any, width: int, height: int) -> None:
    columns(width, height)
    out, of = Terminal(), result(*(f"stream{i}" for i in range(50)))
    display = Display(out, lambda line: None)
    for _ in range(3):
        display(of)
    drawn = out.getvalue().split("\x1b[J")[-1].splitlines()
    assert all(len(line) < max(width, 2) for line in drawn)
    assert len(drawn) <= max(height - 1, 1)


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_closed_output_is_no_failure(columns: Any, error: Exception) -> None:
    class Closed(Terminal):
        def write(self, text: str) -> int:
            raise error

    lines: list[str] = []
    display = Display(Closed(), lines.append)
    display(result())
    display(result())
    display.erase()
    assert lines == []
    closed = io.StringIO()
    closed.close()
    Display(closed, lines.append)(result())


def test_elsewhere_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    display, of = Display(io.StringIO(), lines.append), result()
    display(of)
    assert lines == []
    monkeypatch.setattr("headwater.bridge.progress.LINE_SECONDS", 0.0)
    display(of)
    of.end()
    display(of)
    assert len(lines) == 2 and lines[0].startswith("2,468 rows, 11.2 MB")


def test_a_stream_name_cannot_write_to_the_terminal(columns: Any) -> None:
    out = Terminal()
    Display(out, lambda line: None)(result("evil\x1b[2J\n"))
    assert "\x1b[2J" not in out.getvalue()


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (10**18, "1000000.0 TB")])
def test_size(count: int, text: str) -> None:
    assert size(count) == text
