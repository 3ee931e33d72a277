"""Secrets that a source has renewed itself are shown no more than those that it was given."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from vdk.plugin.data_sources.data_source import DataSourcesAggregatedException

from headwater.bridge.vdk.destinations import Destination
from headwater.bridge.vdk.flows import Flows
from headwater.bridge.vdk.selection import Selection
from headwater.errors import ConfigError
from headwater.protocol.catalog import Catalog, CatalogStream
from headwater.protocol.messages import Control, Message, Spec, Status, StreamDescriptor, StreamStatus
from tests.bridge.vdk.test_ingester import JobInput


class Renews:
    """A connector that renews its token, and then fails with the new one in its words."""

    name = "renews"

    def __init__(self, config: Any) -> None:
        self.token = config["token"]

    @classmethod
    def spec(cls) -> Spec:
        token = {"type": "string", "airbyte_secret": True}
        return Spec({"connectionSpecification": {"type": "object", "properties": {"token": token}}})

    @classmethod
    def from_config(cls, config: Any) -> Renews:
        return cls(config)

    def check(self) -> None:
        pass

    def discover(self) -> Catalog:
        return Catalog((CatalogStream("ones"),))

    def read(self, catalog: Any, state: Any = ()) -> Iterator[Message]:
        old, self.token = self.token, self.token + "-fresh42"
        yield Control({"token": self.token})
        raise RuntimeError(f"GET https://renews.test?key={self.token} broke, and so did {old}")


def test_a_renewed_token_is_in_no_error(caplog: pytest.LogCaptureFixture) -> None:
    job = JobInput()
    for _ in range(2):  # the second run begins with what the first has kept
        flows = Flows(job)
        flows.connector("r", Renews, {"token": "t0ken"}, Destination("m"), Selection())  # type: ignore[arg-type]
        with caplog.at_level(logging.DEBUG):
            flows.wait()
        with pytest.raises(DataSourcesAggregatedException) as told:
            flows.runs.raise_on_error()
        text = str(told.value) + caplog.text
        assert "broke" in text
        assert "t0ken" not in text and "fresh42" not in text


class OneUse(Renews):
    """A connector whose refresh token is good for one use."""

    name = "one-use"
    good: ClassVar[str] = "first"

    def __init__(self, config: Any) -> None:
        self.token = config["credentials"]["refresh_token"]

    def read(self, catalog: Any, state: Any = ()) -> Iterator[Message]:
        time.sleep(0.05)  # what a flow beside it would begin in
        if self.token != OneUse.good:
            raise ConfigError(f"{self.token} was used before")
        OneUse.good = f"{self.token}-renewed"
        yield Control({"credentials": {"refresh_token": OneUse.good}})
        yield StreamStatus(StreamDescriptor("ones"), Status.COMPLETE)


def test_flows_of_one_source_renew_a_token_one_after_the_other() -> None:
    OneUse.good = "first"
    flows = Flows(JobInput())
    for name in ("a", "b", "c"):
        given = {"credentials": {"refresh_token": "first"}}
        flows.connector("s", OneUse, given, Destination(name), Selection())  # type: ignore[arg-type]
    flows.wait()
    flows.runs.raise_on_error()
    assert OneUse.good == "first" + 3 * "-renewed"
