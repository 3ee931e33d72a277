"""A connector that is stopped ends in seconds, in good order, wherever it is."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.process import PATIENCE, ROOT, Process, Run, Toy, environment

TERM, INT = signal.SIGTERM, signal.SIGINT
PAGE = 100
GIVEN_UP = "did not end in time"


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


@pytest.fixture
def as_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector is given no more time than an operator would."""
    monkeypatch.setenv("TESTS_GRACE", "")


def in_order(run: Run, stream: str, *codes: int) -> None:
    """Whole lines, the last safe state, INCOMPLETE, the right code, no noise, and in the time that it has."""
    assert run.code in codes
    assert GIVEN_UP not in run.logged
    assert run.stderr == b""
    statuses = run.statuses(stream)
    assert statuses == ["STARTED", "RUNNING", "INCOMPLETE"]
    # the state covers what was written, the very last page perhaps not: it is read again
    places = [record["at"] for record in run.records(stream)]
    covered = [state["at"] for state in run.states(stream)]
    safe = places.index(covered[-1]) + 1 if covered else 0
    assert len(places) - safe in (0, PAGE)
    records = 0
    for message in run.messages:
        records += message["type"] == "RECORD"
        if message["type"] == "STATE":
            assert message["state"]["sourceStats"] == {"recordCount": records}
            records = 0


def again(process: Process, number: signal.Signals) -> None:
    """Another signal, until it is heard as a second one: on a busy machine the first may be heard late."""
    while process.popen.poll() is None:
        time.sleep(0.3)
        process.signal(number)


class TestSignals:
    @pytest.mark.parametrize("number", [TERM, INT])
    @pytest.mark.parametrize("stream", ["sleeping", "listening", "eventually", "busy", "wrapping"])
    def test_in_the_middle_of_a_wait(self, toy: Toy, stream: str, number: signal.Signals) -> None:
        with toy.start("read", stream, "numbers", folder=str(toy.folder)) as process:
            process.wait_for(b"waiting now")
            process.signal(number)
            run = process.end()
        in_order(run, stream, 128 + number)
        assert run.statuses("numbers") == []
        assert run.of("ERROR") == []
        assert (toy.folder / stream).read_text() == "cleaned up"

    def test_in_the_middle_of_many_records(self, toy: Toy) -> None:
        for pause in (0.0, 0.05, 0.1, 0.2):
            with toy.start("read", "endless") as process:
                process.wait_for(b"RECORD")
                time.sleep(pause)
                process.signal(TERM)
                run = process.end()
            in_order(run, "endless", 143)

    def test_in_the_middle_of_a_wait_for_several_threads(self, toy: Toy) -> None:
        with toy.start("read", "waiting", "waiting_beside", "waiting_too", num_workers=3) as process:
            for sign in (b'"stream":"waiting"', b'"stream":"waiting_beside"', b'"waiting_too"'):
                process.wait_for(sign)
            process.signal(TERM)
            run = process.end()
        in_order(run, "waiting", 143)
        in_order(run, "waiting_beside", 143)
        assert run.statuses("waiting_too") == ["STARTED", "INCOMPLETE"]

    def test_where_nothing_can_be_raised(self, toy: Toy) -> None:
        with toy.start("read", "swallowing") as process:
            run = process.end()
        in_order(run, "swallowing", 143)

    @pytest.mark.usefixtures("as_shipped")
    def test_code_that_takes_it_for_an_error(self, toy: Toy) -> None:
        with toy.start("read", "stubborn") as process:
            process.wait_for(b"waiting now")
            process.signal(TERM)
            run = process.end()
        assert run.code == 143
        assert GIVEN_UP in run.logged
        assert "trying again" in run.logged
        assert run.statuses("stubborn") == ["STARTED", "RUNNING", "INCOMPLETE"]

    @pytest.mark.parametrize("after", [(), ("numbers",)])
    def test_code_that_takes_it_for_the_end(self, toy: Toy, after: tuple[str, ...]) -> None:
        """Its slice was cut short: neither a state nor a status may say that it was read."""
        with toy.start("read", "leaving", *after) as process:
            process.wait_for(b"waiting now")
            process.signal(TERM)
            run = process.end()
        assert run.code == 143
        assert run.statuses("leaving") == ["STARTED", "RUNNING", "INCOMPLETE"]
        assert run.states("leaving") == []
        assert "COMPLETE" not in run.statuses("numbers")

    @pytest.mark.usefixtures("as_shipped")
    def test_code_that_can_not_be_interrupted(self, toy: Toy) -> None:
        with toy.start("read", "deaf") as process:
            process.wait_for(b"waiting now")
            process.signal(TERM)
            run = process.end()
        assert run.code == 143
        assert GIVEN_UP in run.logged
        assert run.statuses("deaf") == ["STARTED", "RUNNING", "INCOMPLETE"]

    def test_a_second_signal_ends_at_once(self, toy: Toy) -> None:
        with toy.start("read", "stubborn") as process:
            process.wait_for(b"waiting now")
            process.signal(TERM)
            again(process, INT)
            run = process.end()
        assert run.code == 130
        assert "by a second signal" in run.logged
        assert run.statuses("stubborn") == ["STARTED", "RUNNING", "INCOMPLETE"]

    def test_one_key_press_is_not_two_signals(self, toy: Toy) -> None:
        with toy.start("read", "sleeping") as process:
            process.wait_for(b"waiting now")
            for number in (signal.SIGSTOP, INT, TERM, signal.SIGCONT):  # both come at the same time
                process.signal(number)
            run = process.end()
        in_order(run, "sleeping", 130, 143)

    @pytest.mark.parametrize(("check", "code"), [("ok", 143), ("bug", 1)])
    def test_a_read_that_does_not_say_how_its_streams_end(self, tmp_path: Path, check: str, code: int) -> None:
        forgetful = Toy(tmp_path, (sys.executable, "-m", "tests.connectors.forgetful"))
        with forgetful.start("read", "numbers", "full", "empty", check=check) as process:
            if check == "ok":
                process.wait_for(b"waiting now")
                process.signal(TERM)
            run = process.end()
        assert run.code == code
        assert run.statuses("numbers") == ["STARTED", "COMPLETE"]
        assert run.statuses("full") == run.statuses("empty") == ["STARTED", "INCOMPLETE"]

    @pytest.mark.parametrize("number", [TERM, INT])
    def test_during_a_check(self, toy: Toy, number: signal.Signals) -> None:
        with toy.start("check", check="sleep") as process:
            process.wait_for(b"waiting now")
            process.signal(number)
            run = process.end()
        assert (run.code, run.stderr) == (128 + number, b"")
        assert {m["type"] for m in run.messages} == {"LOG"}
        assert GIVEN_UP not in run.logged


class TestServers:
    @pytest.fixture
    def web(self, tmp_path: Path) -> Iterator[Toy]:
        """A connector whose server answers nothing, or that there were too many requests."""
        listener = socket.create_server(("127.0.0.1", 0))
        held = []
        self.asked = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    held.append(client)
                    if b"/limit" in client.recv(65536):
                        client.sendall(b"HTTP/1.1 429 Slow\r\nRetry-After: 600\r\nContent-Length: 2\r\n\r\n{}")
                    self.asked.set()

        threading.Thread(target=serve, daemon=True).start()
        web = Toy(tmp_path, (sys.executable, "-m", "tests.connectors.web"))
        web.config = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        yield web
        listener.close()
        for client in held:
            client.close()

    @pytest.mark.parametrize("number", [TERM, INT])
    @pytest.mark.parametrize(("stream", "sign"), [("hanging", b"STARTED"), ("limited", b"RATE_LIMITED")])
    def test_that_let_us_wait(self, web: Toy, stream: str, sign: bytes, number: signal.Signals) -> None:
        with web.start("read", stream) as process:
            process.wait_for(sign)
            assert self.asked.wait(PATIENCE)
            process.signal(number)
            run = process.end()
        assert (run.code, run.stderr, run.statuses(stream)[-1]) == (128 + number, b"", "INCOMPLETE")
        assert GIVEN_UP not in run.logged

    @pytest.mark.parametrize(("stream", "sign"), [("hanging", b"STARTED"), ("limited", b"RATE_LIMITED")])
    def test_and_nobody_reads(self, web: Toy, stream: str, sign: bytes) -> None:
        popen = subprocess.Popen(
            web.arguments("read", stream),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT,
        )  # fmt: skip
        assert popen.stdout is not None
        while sign not in popen.stdout.readline():
            pass
        assert self.asked.wait(PATIENCE)
        popen.stdout.close()
        _, stderr = popen.communicate(timeout=PATIENCE)
        assert (popen.returncode, stderr) == (141, b"")


class TestStalledReader:
    def test_a_line_is_not_cut_when_the_reader_goes_on(self, toy: Toy) -> None:
        with toy.start("read", "endless") as process:
            assert process.hold()
            process.signal(TERM)
            time.sleep(0.5)
            assert process.popen.poll() is None
            run = process.end()
        in_order(run, "endless", 143)

    @pytest.mark.usefixtures("as_shipped")
    def test_it_ends_when_the_reader_does_not(self, toy: Toy) -> None:
        with toy.start("read", "endless") as process:
            assert process.hold()
            process.signal(TERM)
            code = process.popen.wait(PATIENCE)
        assert code == 143

    def test_a_second_signal_ends_at_once(self, toy: Toy) -> None:
        with toy.start("read", "endless") as process:
            assert process.hold()
            process.signal(TERM)
            again(process, INT)
            assert process.popen.wait(PATIENCE) == 130


class TestClosedOutput:
    @pytest.mark.parametrize("stream", ["sleeping", "listening", "eventually", "busy", "endless"])
    def test_is_noticed(self, toy: Toy, stream: str) -> None:
        popen = subprocess.Popen(
            toy.arguments("read", stream, folder=str(toy.folder)),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT,
        )  # fmt: skip
        assert popen.stdout is not None
        assert popen.stderr is not None
        sign = b"RECORD" if stream == "endless" else b"waiting now"
        while sign not in popen.stdout.readline():
            pass
        popen.stdout.close()
        assert popen.wait(PATIENCE) == 141
        assert popen.stderr.read() == b""
        popen.stderr.close()
        if stream != "endless":
            assert (toy.folder / stream).read_text() == "cleaned up"

    @pytest.mark.parametrize("command", ["spec", "check", "discover"])
    def test_from_the_beginning(self, toy: Toy, command: str) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            toy.arguments(command),
            stdout=writer, stderr=subprocess.PIPE, env=environment(), cwd=ROOT, timeout=PATIENCE, check=False,
        )  # fmt: skip
        os.close(writer)
        assert done.returncode == 141
        assert done.stderr == b""

    def test_a_full_disk(self, toy: Toy) -> None:
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                toy.arguments("read", "numbers"),
                stdout=full, stderr=subprocess.PIPE, env=environment(), cwd=ROOT, timeout=PATIENCE, check=False,
            )  # fmt: skip
        assert done.returncode == 1
        assert b"No space left on device" in done.stderr
        assert b"Traceback" not in done.stderr
