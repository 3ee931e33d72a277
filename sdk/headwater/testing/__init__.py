"""For the tests of connectors: a scripted API to read from, and reads that give everything they said.

::

    def test_orders() -> None:
        with Upstream() as api:
            api.on("/orders", json=[{"id": 1}], headers={"Link": '</orders?page=2>; rel="next"'})
            api.on("/orders", query={"page": 2}, json=[{"id": 2}])
            result = read(AcmeSource.from_config({"url": api.url}), "orders").ok()
        assert [row["id"] for row in result.records["orders"]] == [1, 2]
"""

from headwater.testing.reading import ReadResult, read
from headwater.testing.recorded import recorded
from headwater.testing.upstream import Received, Upstream

__all__ = ["ReadResult", "Received", "Upstream", "read", "recorded"]
