"""Syncs that are tried again: what is told at the end is what failed last."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from vdk.plugin.data_sources.data_source import DataSourcesAggregatedException, RetryDataSourceStream

from headwater.bridge.vdk.runs import Errors, Runs
from headwater.bridge.vdk.states import JobStates


def ran(*attempts: Errors) -> list[set[str] | None]:
    """What was read each time."""
    asked: list[set[str] | None] = []

    def attempt(names: Collection[str] | None) -> Errors:
        asked.append(None if names is None else set(names))
        return dict(attempts[len(asked) - 1])

    runs = Runs(JobStates(None), retry_seconds=0.0)
    runs.start("shop", attempt)
    runs.wait()
    runs.raise_on_error()
    return asked


def test_a_stream_that_failed_and_went_well_when_all_was_read_again_is_well() -> None:
    assert ran({"shop": RetryDataSourceStream(), "a": ValueError("broke")}, {}) == [None, None]


def test_a_stream_that_failed_and_was_not_read_again_is_told() -> None:
    with pytest.raises(DataSourcesAggregatedException, match="broke"):
        ran({"b": RetryDataSourceStream(), "a": ValueError("broke")}, {})
