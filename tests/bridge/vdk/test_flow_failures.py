"""Flows in a data job that fail: what is told, whose turn it is, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.test_utils", reason=NEEDS_VDK)

from vdk.internal.core import errors as vdk_errors
from vdk.plugin.data_sources import plugin_entry
from vdk.plugin.data_sources.data_source import DataSourcesAggregatedException
from vdk.plugin.test_utils.util_funcs import cli_assert_equal
from vdk.plugin.test_utils.util_plugins import IngestIntoMemoryPlugin

from tests.bridge.vdk.test_flow import IMPORTS, flow_of, ids, rows


def test_a_refused_batch_fails_the_job_and_keeps_the_state_behind(job: Any, run: Any) -> None:
    class Refusing(IngestIntoMemoryPlugin):
        def ingest_payload(self, payload: Any, *args: Any, **kwargs: Any) -> None:
            if len(self.payloads) >= 1:
                raise OSError("the disk is full")
            super().ingest_payload(payload, *args, **kwargs)

    memory = Refusing()
    step = flow_of("flow.start(source(count=1500, page=100), memory)")
    result = run(job(step), memory)
    cli_assert_equal(1, result)
    landed = len(rows(memory))
    assert 0 < landed < 1500
    assert "'ones'" in result.output and "the disk is full" in result.output
    memory = IngestIntoMemoryPlugin()
    cli_assert_equal(0, run(job(step), memory))
    assert {*ids(memory), *range(1, landed + 1)} == {*range(1, 1501)}


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ("flow.start(SourceDefinition('s', 'nothing'), memory)", ["'nothing'", "numbers"]),
        ("flow.start(source(), DestinationDefinition('d', 'nowhere'))", ["'nowhere'", "memory"]),
        ("flow.start(source(), DestinationDefinition('d'))", ["INGEST_METHOD_DEFAULT"]),
        ("flow.start(source(count='x'), memory)", ["count"]),
        ("flow.start(DataFlowMappingDefinition(source(), memory, streams=['x']))", ["'x'", "ones"]),
        (
            "flow.start(DataFlowMappingDefinition(source(), memory, mode='overwrite'))",
            ["overwrite", "append"],
        ),
        (
            "flow.start(SourceDefinition('a', 'auto-generated-data', {'x': 1}), memory)",
            ["'x'", "num_records"],
        ),
        (
            "flow.start(DataFlowMappingDefinition(auto(), memory, streams=['x']))",
            ["'x'", "stream_0"],
        ),
    ],
)
def test_a_wrong_definition_is_the_users_and_says_what_there_is(
    job: Any, run: Any, definition: str, words: list[str]
) -> None:
    vdk_errors.resolvable_context().clear()
    result = run(job(flow_of(definition)), IngestIntoMemoryPlugin(), plugin_entry)
    cli_assert_equal(1, result)
    assert all(word in result.output for word in words), result.output
    assert vdk_errors.get_blamee_overall() == vdk_errors.ResolvableByActual.USER


def test_failures_of_several_streams_are_raised_together(job: Any, run: Any) -> None:
    caught: list[Any] = []
    IngestIntoMemoryPlugin.caught = caught  # type: ignore[attr-defined]
    memory = IngestIntoMemoryPlugin()
    step = IMPORTS + (
        """
from vdk.plugin.data_sources.data_source import DataSourcesAggregatedException
from vdk.plugin.test_utils.util_plugins import IngestIntoMemoryPlugin
def run(job_input):
    names = ["a", "b", "c"]
    try:
        with DataFlowInput(job_input) as flow:
            flow.start(source(names=names, fail={"a": "transient", "c": "broken"}, page=1), memory)
    except DataSourcesAggregatedException as error:
        IngestIntoMemoryPlugin.caught.append(error)
        raise
"""
    )
    cli_assert_equal(1, run(job(step), memory))
    (error,) = caught
    assert isinstance(error, DataSourcesAggregatedException)
    assert set(error.data_streams_exceptions) == {"a", "c"}
    assert vdk_errors.get_exception_resolvable_by(error) == vdk_errors.ResolvableBy.PLATFORM_ERROR
    assert ids(memory, "b") == [1, 2, 3, 4, 5]
    assert ids(memory, "a") == [1, 2]


@pytest.mark.parametrize(("verdict", "code", "asked"), [("Stop", 0, 1), ("Retry", 1, 4), ("", 0, 1)])
def test_an_error_callback_decides(job: Any, run: Any, verdict: str, code: int, asked: int) -> None:
    asked_of: list[str] = []
    IngestIntoMemoryPlugin.asked_of = asked_of  # type: ignore[attr-defined]
    raising = f"raise {verdict}DataSourceStream()" if verdict else "pass"
    step = IMPORTS + (
        f"""
from vdk.plugin.data_sources.data_source import StopDataSourceStream, RetryDataSourceStream
from vdk.plugin.test_utils.util_plugins import IngestIntoMemoryPlugin
def on_error(error):
    IngestIntoMemoryPlugin.asked_of.append((error.data_stream.name(), str(error.exception)))
    {raising}
def run(job_input):
    with DataFlowInput(job_input, on_error, retry_seconds=0.01) as flow:
        flow.start(source(count=100, fail={{"ones": "config"}}), memory)
"""
    )
    cli_assert_equal(code, run(job(step), IngestIntoMemoryPlugin()))
    assert asked_of == [("ones", "Stream 'ones': no permission.")] * asked


def test_the_steps_own_error_is_not_hidden(job: Any, run: Any) -> None:
    memory = IngestIntoMemoryPlugin()
    step = flow_of("flow.start(source(), memory); raise LookupError('mine')")
    result = run(job(step), memory)
    cli_assert_equal(1, result)
    assert "mine" in result.output
    assert ids(memory) == [1, 2, 3, 4, 5]
