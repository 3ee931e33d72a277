"""Standard output carries messages and nothing else, whoever prints, and secrets in none but records."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.connectors.process import Run, Toy, environment, execute

SECRET = 's3cr3t-t0ken/+=&ä"\\x'
PASSWORD = "pass word:with%specials"


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


class TestPrinting:
    @pytest.fixture(scope="class", params=[None, "1"])
    def run(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
        toy = Toy(tmp_path_factory.mktemp("printing"))
        return execute(
            toy.arguments("read", "printing", flags=["--debug"]), env=environment(PYTHONUNBUFFERED=request.param)
        )

    def test_only_messages(self, run: Run) -> None:
        assert (run.code, run.stderr) == (0, b"")
        assert len(run.messages) > 20

    @pytest.mark.parametrize(
        "line",
        ["INFO printed ****", "INFO no end", "INFO bytes \\xff", "WARN to stderr ****", "INFO old stdout ****",
         "INFO raw fd 1 ****", "WARN raw fd 2 ****", "INFO child 1 '****'", "WARN child 2 '****'",
         "WARN forked child ****", "WARN stale handler ****", "WARN late handler ****",
         "ERROR A thread of the connector failed: failing-thread.", "DEBUG debugging ****", "FATAL fatal ****",
         "INFO 'does not %d fit' (arguments that do not fit: ('****',))", "ERROR logged",
         "WARN finalizer logs ****"],
    )  # fmt: skip
    def test_becomes_a_log_message(self, run: Run, line: str) -> None:
        assert line in run.logged.splitlines()

    def test_warnings_and_stack_traces(self, run: Run) -> None:
        assert "UserWarning: a warning ****" in run.logged
        stacks = {log["message"]: log.get("stack_trace", "") for log in run.of("LOG")}
        assert "RuntimeError: caught ****" in stacks["logged"]
        assert "OSError: thread failed ****" in stacks["A thread of the connector failed: failing-thread."]
        assert any("RuntimeError: finalizer failed ****" in stack for stack in stacks.values())

    def test_once(self, run: Run) -> None:
        """Handlers that print to the standard streams don't say it again."""
        assert run.logged.count("stale handler") == 1
        assert run.logged.count("logged") == 1

    def test_no_secret(self, run: Run) -> None:
        secret_free(run, SECRET)


class TestMore:
    def test_what_was_printed_before_the_command_began(self, toy: Toy) -> None:
        environ = environment(PYTHONUNBUFFERED=None, TOY_PRINTS_EARLY="1")
        run = execute(toy.arguments("check"), env=environ)
        assert "INFO printed while the connector is imported" in run.logged

    def test_floods_and_lines_without_end(self, toy: Toy) -> None:
        run = toy.run("read", "c_printing")
        assert (run.code, run.stderr) == (0, b"")
        assert "INFO printed by C" in run.logged
        assert run.logged.count("x" * 3000) == 200
        assert sum(log["message"].count("endless") for log in run.of("LOG")) > 99_000
        assert max(map(len, run.lines)) < 1_000_000

    def test_a_reader_that_takes_its_time_gets_all_that_was_printed(self, toy: Toy) -> None:
        """Much of it is still on its way to him when the connector has ended; that was ever cut off after seconds."""
        with toy.start("read", "talking") as process:
            while process.popen.poll() is None:
                process.most = len(process.stdout) + 1
                time.sleep(0.5)
            run = process.end()
        assert (run.code, run.stderr, run.statuses("talking")[-1]) == (0, b"", "COMPLETE")
        assert [int(log["message"].split()[1]) for log in run.of("LOG")] == list(range(4000))

    def test_a_child_that_goes_on_does_not_keep_it_from_ending(self, toy: Toy) -> None:
        run = toy.run("read", "talking", folder=str(toy.folder))
        assert (run.code, run.statuses("talking")[-1]) == (0, "COMPLETE")
        told = [log["message"].split()[0] for log in run.of("LOG")]
        assert told.count("line") == 4000 and told.count("y") >= 9000

    def test_many_threads_never_cut_a_line(self, toy: Toy) -> None:
        run = toy.run("read", "chorus")
        assert (run.code, len(run.records("chorus"))) == (0, 1500)
        assert sum(log["message"].startswith("verse") for log in run.of("LOG")) == 400

    def test_a_thread_that_is_left_over(self, toy: Toy) -> None:
        run = toy.run("read", "threads")
        assert (run.code, run.statuses("threads")) == (0, ["STARTED", "RUNNING", "COMPLETE"])
        assert "left-over" in run.logged

    def test_records_are_data(self, toy: Toy) -> None:
        run = toy.run("read", "numbers", "ready", token="text")
        assert run.records("numbers")[0]["text"] == "text 0"
        assert run.records("ready")[0]["text"] == "text"


def forms(secret: str) -> list[str]:
    """How a secret must not be seen."""
    return [
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1], repr(secret.encode())[2:-1],
        *(base64.b64encode(f"{user}{secret}".encode()).decode()[4:-4] for user in ("", "u:", "me:", "you:")),
    ]  # fmt: skip


def secret_free(run: Run, *secrets: str) -> None:
    """No form of the secrets is anywhere but in records, states and changed configs."""
    told = [m for m in run.messages if m["type"] not in ("RECORD", "STATE", "CONTROL")]
    strings = "\n".join(text for message in told for text in _strings(message)) + run.stderr.decode()
    for secret in secrets:
        for form in forms(secret):
            assert form not in strings, form


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in [key, *_strings(item)]]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []


class TestSecrets:
    LOGIN = {"kind": "login", "user": "me", "password": PASSWORD}

    @pytest.mark.parametrize("stream", ["leaking", "broken", "denied", "printing"])
    @pytest.mark.parametrize("flags", [[], ["--debug"]])
    def test_in_reads_that_fail(self, toy: Toy, stream: str, flags: list[str]) -> None:
        run = toy.run("read", stream, login=self.LOGIN, flags=flags)
        secret_free(run, SECRET, PASSWORD)
        assert "****" in run.stdout.decode()

    def test_each_of_a_list(self, toy: Toy) -> None:
        run = toy.run("read", "leaking", token="first-token,second-token", login=self.LOGIN)
        secret_free(run, "first-token", "second-token")
        assert "plain ****" in run.logged

    @pytest.mark.parametrize("how", ["config", "transient", "bug", "noise"])
    def test_in_checks(self, toy: Toy, how: str) -> None:
        secret_free(toy.run("check", check=how), SECRET)

    def test_of_a_config_that_is_wrong(self, toy: Toy) -> None:
        for wrong in ({"pages": "x"}, {"login": {"kind": "nobody", "password": PASSWORD}}, {"login": PASSWORD}):
            for command in ("check", "discover"):
                secret_free(toy.run(command, **wrong), SECRET, PASSWORD)

    @pytest.mark.parametrize("secret", ["type", "LOG", "message", "trace", "stream", "{", '"', "e", "a", "12", "-"])
    def test_words_of_the_protocol_do_no_harm(self, toy: Toy, secret: str) -> None:
        run = toy.run("read", "leaking", "numbers", token=secret)
        assert (run.code, len(run.records("numbers"))) == (1, 9)
        assert "plain ****" in run.logged
        assert {m["type"] for m in run.messages} == {"LOG", "TRACE", "RECORD", "STATE"}

    def test_a_key_of_many_lines(self, toy: Toy) -> None:
        key = "-----BEGIN KEY-----\nabcdefghijklmnop\nqrstuvwxyz012345\n-----END KEY-----\n"
        run = toy.run("read", "printing", "leaking", token=key)
        assert "abcdefghijklmnop" not in run.stdout.decode()
        assert "qrstuvwxyz012345" not in run.stdout.decode()


def test_what_a_read_printed_is_no_state_file_and_its_error_says_so(toy: Toy) -> None:
    lines = '{"type": "STATE"}\n{"type": "STATE"}\n'
    (error,) = toy.run("read", "numbers", state=lines).of("ERROR")
    assert error["failure_type"] == "config_error"
    assert "state.json is not JSON: Extra data" in error["message"] and "One list of states" in error["message"]
