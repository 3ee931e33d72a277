"""Streams that a data job has read and that their source does not offer any more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.test_utils", reason=NEEDS_VDK)

from vdk.plugin.data_sources import plugin_entry
from vdk.plugin.test_utils.util_funcs import cli_assert_equal
from vdk.plugin.test_utils.util_plugins import IngestIntoMemoryPlugin

from tests.bridge.vdk.test_flow import START, flow_of

TOLD = "any more, which was read before"


def test_of_a_connector(job: Any, run: Any) -> None:
    def said(step: str) -> str:
        result = run(job(step), IngestIntoMemoryPlugin())
        cli_assert_equal(0, result)
        return str(result.output)

    assert TOLD not in said(START.replace("source()", "source(names=['ones', 'twos'])"))
    assert f"The source does not offer 'twos' {TOLD}" in said(START)
    assert TOLD not in said(START.replace("source(), memory", 'source(), memory, streams={"ones": {}}'))


def test_of_a_data_source_of_vdk(job: Any, run: Any) -> None:
    def said(streams: int) -> str:
        step = flow_of(f"flow.start(DataFlowMappingDefinition(auto(num_records=3, num_streams={streams}), memory))")
        result = run(job(step), IngestIntoMemoryPlugin(), plugin_entry)
        cli_assert_equal(0, result)
        return str(result.output)

    assert TOLD not in said(2)
    assert f"The source does not offer 'stream_1' {TOLD}" in said(1)
