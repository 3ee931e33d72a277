"""What a source says as a whole: streams by name, one stream's failure, states of all forms."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

import headwater
from headwater import Config, ConfigError, Cursor, HeadwaterError, Record, Slice, Source, SourceError, Stream
from headwater.errors import IncompleteError, TransientError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Control, Message, Records, State, Status, StreamDescriptor, StreamStatus
from headwater.testing import read
from headwater.testing.reading import result_of


class Some(Stream):
    """Three records."""

    cursor = Cursor("n")

    def read(self, slice: Slice) -> Iterator[Record]:
        yield from ({"n": n, "of": self.name} for n in range(3) if slice.start is None or n >= slice.start)


class First(Some):
    name = "first"


class Refined(First):
    def read(self, slice: Slice) -> Iterator[Record]:
        yield from ({**record, "more": True} for record in super().read(slice))


class Second(Some):
    name = "second"


class OtherFirst(Some):
    name = "first"


class Fails(Some):
    name = "fails"
    error: BaseException = RuntimeError("boom")

    def read(self, slice: Slice) -> Iterator[Record]:
        yield {"n": 1}
        raise self.error


class Sourced(Source):
    """These streams."""

    name = "sourced"
    config: Config

    def __init__(self, *kinds: Any) -> None:
        super().__init__(Config())
        self.kinds = kinds

    def streams(self) -> Iterable[Stream]:
        return [kind(self) for kind in self.kinds]


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [(First, Second, Refined), (Refined, Second, First)])
def test_a_refinement_replaces_its_parent_in_its_place(kinds: Any) -> None:
    source = Sourced(*kinds)
    assert [stream.name for stream in source.discover().streams] == ["first", "second"]
    assert all(record["more"] for record in read(source, "first").ok().records["first"])


def test_two_unrelated_streams_of_one_name_are_refused() -> None:
    with pytest.raises(SourceError, match=r"OtherFirst.*Give one another name") as raised:
        Sourced(First, OtherFirst).discover()
    assert raised.value.stream == "first"


def test_one_name_in_two_namespaces_is_two_streams() -> None:
    class Elsewhere(First):
        namespace = "b"

    result = read(Sourced(First, Elsewhere)).ok()
    assert set(result.records) == {"first", "b.first"}
    assert {str(state.stream) for state in result.states} == {"first", "b.first"}


def test_an_unknown_stream_fails_alone() -> None:
    source = Sourced(First)
    catalog = ConfiguredCatalog((ConfiguredStream(CatalogStream("nope", {})), *source.discover().configured().streams))
    result = result_of(source.read(catalog), catalog)
    assert result.statuses["nope"] == [Status.STARTED, Status.INCOMPLETE]
    assert result.statuses["first"][-1] is Status.COMPLETE
    assert "It has: first. Run `discover` again" in result.traces[0].message
    assert isinstance(result.error, IncompleteError) and result.error.failure_type == "config_error"


# --- failures ----------------------------------------------------------------------------------------------------


def failing(error: BaseException) -> type[Fails]:
    """A stream that fails with this."""
    return type("Failing", (Fails,), {"error": error})


@pytest.mark.parametrize(
    ("error", "failure_type", "message"),
    [
        (ConfigError("set it"), "config_error", "set it"),
        (TransientError("later"), "transient_error", "later"),
        (SourceError("odd"), "system_error", "odd"),
        (KeyError("id"), "system_error", "The connector failed in stream fails: KeyError. This is a bug of it."),
        (RecursionError(), "system_error", None),
        (MemoryError(), "system_error", None),
    ],
)
def test_one_streams_failure_leaves_the_others(error: Exception, failure_type: str, message: str | None) -> None:
    result = read(Sourced(First, failing(error), Second))
    assert len(result.records["first"]) == len(result.records["second"]) == 3
    assert result.records["fails"] == [{"n": 1}]
    assert result.statuses["fails"] == [Status.STARTED, Status.RUNNING, Status.INCOMPLETE]
    assert result.statuses["second"][-1] is Status.COMPLETE
    (trace,) = result.traces
    assert trace.failure_type == failure_type and trace.stream == StreamDescriptor("fails")
    assert message is None or trace.message.startswith(message[:50])
    assert trace.stack_trace and "in read" in trace.stack_trace
    assert isinstance(result.error, IncompleteError) and set(result.error.errors) == {"fails"}
    assert "fails" not in {str(state.stream) for state in result.states}


def test_a_bugs_words_are_for_the_developer_and_hold_no_query() -> None:
    url = "https://user:pass@api.test:8443/v1/orders?api_key=sesame&page=2"
    for error in (RuntimeError(f"asked '{url}'"), SourceError("odd", internal=f"asked {url}, then")):
        result = read(Sourced(failing(error)))
        (trace,) = result.traces
        assert "sesame" not in str(result.error)
        assert "api.test:8443/v1/orders" in str(trace.internal_message)
        for text in (trace.message, str(trace.internal_message), str(trace.stack_trace)):
            assert "sesame" not in text and "pass@" not in text


def test_the_end_of_a_read_stands_behind_the_last_state() -> None:
    messages = list(Sourced(First, Second).read(Sourced(First, Second).discover().configured()))
    kinds = [
        message.status.value if isinstance(message, StreamStatus) else type(message).__name__ for message in messages
    ]
    assert kinds == ["STARTED", "RUNNING", "Records", "State", "COMPLETE"] * 2


def test_an_empty_stream_has_a_state_too() -> None:
    class Empty(First):
        def read(self, slice: Slice) -> Iterator[Record]:
            yield from ()

    for full_refresh in (False, True):
        result = read(Sourced(Empty), full_refresh=full_refresh).ok()
        assert [state.raw["sourceStats"]["recordCount"] for state in result.states] == [0.0]
        assert result.statuses["first"] == [Status.STARTED, Status.COMPLETE]
        assert result.states[0].stream_state == {"__ab_no_cursor_state_message": True}


# --- events ------------------------------------------------------------------------------------------------------


def test_what_is_said_meanwhile_comes_before_the_next_message() -> None:
    class Rotating(First):
        def read(self, slice: Slice) -> Iterator[Record]:
            self.source.emit(Control({"token": "new"}))
            yield from super().read(slice)
            self.source.emit(Control({"token": "newer"}))

    messages = list(Sourced(Rotating).read(Sourced(Rotating).discover().configured()))
    kinds = [type(message) for message in messages]
    assert kinds == [StreamStatus, Control, Control, StreamStatus, Records, State, StreamStatus]


def test_what_is_said_before_a_failure_is_not_lost() -> None:
    class Rotating(Fails):
        def read(self, slice: Slice) -> Iterator[Record]:
            self.source.emit(Control({"token": "new"}))
            raise ConfigError("no")
            yield

    assert any(isinstance(message, Control) for message in read(Sourced(Rotating)).messages)


# --- states ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "first"}, "stream_state": {"n": 2}}},
        {"type": "GLOBAL", "global": {"shared_state": None, "stream_states": [
            {"stream_descriptor": {"name": "first", "namespace": None}, "stream_state": {"n": 2}}]}},
        {"type": "LEGACY", "data": {"first": {"n": 2}}},
        {"data": {"first": {"n": 2, "more": 1}, "gone": {"n": 9}}},
    ],
)  # fmt: skip
def test_states_of_every_form_are_gone_on_from(raw: dict[str, Any]) -> None:
    result = read(Sourced(First), state=[State(raw)]).ok()
    assert [record["n"] for record in result.records["first"]] == [2]
    assert result.states[0].type == "STREAM"


@pytest.mark.parametrize("blob", [None, {}, {"unknown": 1}, {"__ab_no_cursor_state_message": True}])
def test_a_state_that_says_nothing_is_a_first_read(blob: Any) -> None:
    state = State({"type": "STREAM", "stream": {"stream_descriptor": {"name": "first"}, "stream_state": blob}})
    assert len(read(Sourced(First), state=[state]).ok().records["first"]) == 3


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "STREAM"},
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": 1}}},
        {"type": "GLOBAL", "global": {"stream_states": [3]}},
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "first"}, "stream_state": "x"}},
        {"type": "GLOBAL", "global": [1]},
        {"type": "GLOBAL", "global": {"stream_states": {"a": 1}}},
        {"data": [1]},
    ],
)
def test_a_state_that_is_none_is_refused_before_anything_is_read(raw: dict[str, Any]) -> None:
    source = Sourced(First)
    with pytest.raises(ConfigError, match="state"):
        next(source.read(source.discover().configured(), [State(raw)]))


def test_a_full_refresh_begins_anew_and_says_so() -> None:
    catalog = Sourced(First).discover()
    assert not any(stream.is_resumable for stream in catalog.streams)
    state = read(Sourced(First)).ok()
    assert len(read(Sourced(First), state=state, full_refresh=True).ok().records["first"]) == 3


# --- check -------------------------------------------------------------------------------------------------------


def test_check_reads_the_first_stream() -> None:
    Sourced(First, failing(ConfigError("no"))).check()
    Sourced().check()
    failing_at_once = type("AtOnce", (First,), {"read": lambda self, slice: iter(_raise())})
    with pytest.raises(ConfigError, match="no"):
        Sourced(failing_at_once).check()


def _raise() -> Iterator[Message]:
    raise ConfigError("no")


def test_every_error_is_headwaters() -> None:
    assert issubclass(IncompleteError, HeadwaterError)


def test_spec_needs_no_http_client() -> None:
    code = (
        "import sys, headwater\n"
        "class Api(headwater.HttpSource):\n"
        "    name = 'api'\n"
        "    manners, paginator = headwater.Manners(retry=headwater.RetryPolicy()), headwater.LinkHeader()\n"
        "    def base_url(self): return 'https://api.test'\n"
        "    def auth(self): return headwater.OAuth2('https://api.test', client_id='a', client_secret='b')\n"
        "    def streams(self): return []\n"
        "Api.spec(); Api.from_config({}).discover()\n"
        "assert not {'requests', 'urllib3', 'http.client'} & set(sys.modules), 'requests was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_connector_of_a_database_needs_nothing_of_http() -> None:
    code = (
        "import sys, headwater.sql.sqlite\n"
        "found = [name for name in sys.modules if name.startswith('headwater.http')]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_is_there() -> None:
    for name in headwater.__all__:
        assert getattr(headwater, name).__class__ is not None
        assert name in dir(headwater)
    with pytest.raises(AttributeError, match="'headwater' has no attribute 'Nothing'"):
        headwater.Nothing  # noqa: B018
