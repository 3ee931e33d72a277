"""Every kind of message and error through the adapter, with a connector whose streams misbehave each in one way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cdk.conftest import Worker
from tests.cdk.ours import TOY, as_dumped, comparable, run
from tests.connectors.process import Toy, catalog

pytestmark = pytest.mark.timeout(1200)

TOKEN = "s3cr3t-t0ken/+=&ä"
CATALOG = catalog("numbers")
BAD_MODE = catalog({"stream": {"name": "numbers", "json_schema": {}}, "sync_mode": "INVALID"})


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


def traces(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [m["trace"]["error"] for m in messages if "error" in m.get("trace", {})]


# --- the same as on the command line -------------------------------------------------------------------------

WELL = ["numbers", "full", "parts", "empty", "empty_full", "skipped", "rotating", "limited"]
FAILING = {"broken": "system_error", "denied": "config_error", "flaky": "transient_error", "exits": "system_error"}


def test_what_goes_well_is_the_same(worker: Worker, toy: Toy) -> None:
    streams = catalog(*WELL)
    theirs = comparable(worker.wrapped(source=TOY, command="read", config=toy.config, catalog=streams)["messages"])
    ours = as_dumped(comparable(run(toy, "read", catalog=streams).messages))
    assert theirs == ours
    (limited,) = [
        m["trace"]["stream_status"] for m in theirs if m.get("trace", {}).get("stream_status", {}).get("reasons")
    ]
    assert limited["reasons"] == [{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": 12345}}]
    tokens = [m["control"]["connectorConfig"]["config"]["token"] for m in theirs if m["type"] == "CONTROL"]
    assert tokens == ["rotated-token-1", "rotated-token-1"]


@pytest.mark.parametrize("stream", FAILING)
def test_what_fails_is_the_same_and_then_raised(worker: Worker, toy: Toy, stream: str) -> None:
    streams = catalog(stream, "numbers")
    said = worker.wrapped(source=TOY, command="read", config=toy.config, catalog=streams)
    *theirs, raised = comparable(said["messages"])
    ours = as_dumped(comparable(run(toy, "read", catalog=streams).messages))
    assert theirs == ours
    assert raised["trace"]["error"]["failure_type"] == FAILING[stream]
    assert raised["trace"]["error"]["message"].startswith(f"Incomplete: {stream}.")
    assert TOKEN not in json.dumps(said, ensure_ascii=False)


def test_an_unknown_stream_is_the_users_error(worker: Worker, toy: Toy) -> None:
    streams = catalog("nowhere", "numbers")
    *theirs, raised = comparable(
        worker.wrapped(source=TOY, command="read", config=toy.config, catalog=streams)["messages"]
    )
    assert theirs == as_dumped(comparable(run(toy, "read", catalog=streams).messages))
    assert raised["trace"]["error"]["failure_type"] == "config_error"


def test_what_json_can_not_hold_is_told(worker: Worker, toy: Toy) -> None:
    streams = catalog("values", mode="full_refresh")
    theirs = worker.wrapped(source=TOY, command="read", config=toy.config, catalog=streams)["messages"]
    changes = [m["record"].get("meta") for m in theirs if m["type"] == "RECORD"]
    ours = [record.get("meta") for record in run(toy, "read", catalog=streams).of("RECORD")]
    assert changes == ours and any(changes)


def test_logs_come_without_secrets(worker: Worker, toy: Toy) -> None:
    config = {
        **toy.config,
        "token": f"{TOKEN},other-token",
        "login": {"kind": "login", "user": "u", "password": "pass/w0rd"},
    }
    said = worker.wrapped(source=TOY, command="read", config=config, catalog=catalog("skipped", "leaking"))
    messages = [m["log"]["message"] for m in said["messages"] if m["type"] == "LOG"]
    assert any("There is nothing here." in message for message in messages)
    assert all(
        secret not in json.dumps(traces(said["messages"]), ensure_ascii=False) for secret in (TOKEN, "pass/w0rd")
    )


# --- check ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["ok", "config", "transient"])
def test_a_check_gives_its_answer(worker: Worker, toy: Toy, how: str) -> None:
    toy.config["check"] = how
    theirs = comparable(worker.wrapped(source=TOY, command="check", config=toy.config)["messages"])
    assert theirs == comparable(run(toy, "check").messages)
    assert theirs[0]["connectionStatus"]["status"] == ("SUCCEEDED" if how == "ok" else "FAILED")


@pytest.mark.parametrize("how", ["bug", "exit"])
def test_a_broken_check_is_raised(worker: Worker, toy: Toy, how: str) -> None:
    toy.config["check"] = how
    said = worker.wrapped(source=TOY, command="check", config=toy.config)
    found = traces(said["messages"])
    assert {error["failure_type"] for error in found} == {"system_error"}
    assert found[-1]["message"] == run(toy, "check").of("ERROR")[-1]["message"]
    assert TOKEN not in json.dumps(said, ensure_ascii=False)


def test_what_a_check_says_of_the_config_is_kept(worker: Worker, toy: Toy) -> None:
    toy.config["check"] = "noise"
    theirs = comparable(worker.wrapped(source=TOY, command="check", config=toy.config)["messages"])
    assert [m["type"] for m in theirs] == ["CONTROL", "CONNECTION_STATUS"]
    assert theirs[0]["control"]["connectorConfig"]["config"] == {**toy.config, "token": "new-token"}
    called = worker.called(source=TOY, method="check", config=toy.config)
    assert "SUCCEEDED" in called["result"] and [m["type"] for m in called["queue"]] == ["CONTROL"]


# --- files, and calls without the entrypoint -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "text", "words"),
    [
        ("read_catalog", json.dumps(BAD_MODE), "stream 'numbers': `sync_mode` is 'INVALID'"),
        ("read_catalog", json.dumps({"streams": [{}]}), "needs an object in `stream`"),
        ("read_catalog", "{", "is not JSON"),
        ("read_state", '[{"type": "STREAM"}]', "needs an object in `stream`"),
        ("read_state", '[{"type": "STREAM", "stream": {"stream_descriptor": {}}}]', "a string in `name`"),
        ("read_state", '"x"', "must be a JSON object"),
        ("read_config", "[]", "must hold a JSON object"),
        ("read_config", "no", "is not JSON"),
    ],
)
def test_a_wrong_file_is_the_users_error(worker: Worker, method: str, text: str, words: str) -> None:
    said = worker.files(method=method, text=text)
    failure, message, _, stack = said["error"]
    assert failure == "config_error" and words in message and stack == "None"


def test_states_are_read_in_any_form(worker: Worker) -> None:
    entry = {"stream_descriptor": {"name": "numbers"}, "stream_state": {"at": "2024-01-01T00:00:04Z"}}
    for form in (
        [{"type": "STREAM", "stream": entry}],
        [{"type": "STATE", "state": {"type": "STREAM", "stream": entry}}],
        [{"type": "GLOBAL", "global": {"shared_state": {"x": 1}, "stream_states": [entry]}}],
        {"numbers": entry["stream_state"]},
    ):
        assert worker.files(method="read_state", text=json.dumps(form))["result"].startswith("[AirbyteStateMessage(")
        called = worker.called(source=TOY, method="read", config={"token": "t"}, catalog=CATALOG, state=form)
        assert [m["record"]["data"]["id"] for m in called["result"] if m["type"] == "RECORD"] == [4, 5, 6, 7, 8]
    assert worker.files(method="read_state", text="")["result"] == "[]"


def test_a_wrong_argument_is_the_users_error(worker: Worker) -> None:
    def failure(**arguments: Any) -> Any:
        return worker.called(source=TOY, **arguments)["error"][:2]

    good = {"method": "read", "config": {"token": "t"}, "catalog": CATALOG}
    assert failure(**{**good, "catalog": BAD_MODE})[0] == "config_error"
    assert failure(**{**good, "state": [{"type": "LATER"}]})[0] == "config_error"
    assert failure(**{**good, "config": {"token": 5}}) == [
        "config_error",
        "config: setting `token` must be of type str.",
    ]
    assert failure(method="discover", config={})[0] == "config_error"


def test_the_class_is_one_of_the_cdks(worker: Worker) -> None:
    assert worker.kind_of(source=TOY) == ["SourceToy", True, True, "toy", "tests.connectors.toy"]
    assert worker.kind_of(source="docs.examples.acme_github:AcmeGithub")[0] == "SourceAcmeGithub"


# --- one by one ----------------------------------------------------------------------------------------------


def test_each_kind_of_message_has_its_model(worker: Worker) -> None:
    found = worker.every_kind()
    of = {"name": "things", "namespace": "shop"}
    records, (state, shared, log, error, estimate, control) = found[:2], found[2:]
    record = {"stream": "things", "namespace": "shop", "emitted_at": 5}
    changes = [{"field": "x", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}]
    assert [m["record"] for m in records] == [
        {**record, "data": {"id": 1}},
        {**record, "data": {"id": 2}, "meta": {"changes": changes}},
    ]
    blob = {"__ab_no_cursor_state_message": True, "states": [{"a": None}]}
    assert state["state"]["stream"] == {"stream_descriptor": of, "stream_state": blob}
    assert state["state"]["sourceStats"] == {"recordCount": 2.0}
    assert shared["state"]["global"] == {"shared_state": {"a": 1}, "stream_states": []}
    assert log["log"] == {"level": "TRACE", "message": "****", "stack_trace": "in ****"}
    assert error["trace"]["error"] == {
        "message": "****", "failure_type": "transient_error", "internal_message": "****", "stack_trace": "****",
        "stream_descriptor": of,
    }  # fmt: skip
    assert estimate["trace"]["estimate"] == {
        "name": "things",
        "namespace": "shop",
        "type": "STREAM",
        "row_estimate": 7,
        "byte_estimate": 8,
    }
    assert control["control"]["connectorConfig"] == {"config": {"token": "s3cret"}}


def test_errors_carry_their_failure_type(worker: Worker) -> None:
    denied, later, incomplete, bug, exited = worker.errors()
    assert denied == {
        "message": "No ****.", "internal_message": "****", "failure_type": "config_error", "stack_trace": None,
        "stream_descriptor": {"name": "orders"},
    }  # fmt: skip
    assert (later["message"], later["failure_type"]) == ("Later.", "transient_error")
    assert incomplete["message"].startswith("Incomplete: a, b.") and incomplete["failure_type"] == "system_error"
    assert bug["message"] == "The connector failed: RuntimeError. This is a bug of the connector."
    assert bug["internal_message"] == "RuntimeError: a **** bug" and "a **** bug" in bug["stack_trace"]
    assert "sys.exit(3)" in exited["message"] and exited["failure_type"] == "system_error"
    assert "s3cret" not in json.dumps([denied, later, incomplete, bug, exited])


def test_a_changed_config_is_merged(worker: Worker) -> None:
    config = {"a": 1, "b": {"c": 1, "d": 2}, "e": {"f": 1}}
    changes = {"b": {"c": 3}, "e": 5, "g": {}}
    assert worker.merges(config=config, changes=changes) == {"a": 1, "b": {"c": 3, "d": 2}, "e": 5, "g": {}}


def test_without_airbyte_cdk_the_import_says_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['airbyte_cdk'] = None; import headwater.cdk; "
        "assert not [name for name in sys.modules if name.startswith(('airbyte_cdk.', 'headwater.cdk.'))]; "
        "from headwater import Source; headwater.cdk.to_airbyte_cdk(Source)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: airbyte-cdk is not installed in this environment: pip install 'headwater[cdk]'" in done.stderr
