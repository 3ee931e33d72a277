"""Broken connectors: check and discover."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from correct import Correct
from defect import defect
from messages import Failed

# --- C: check ----------------------------------------------------------------------------------------------


@defect("C1", "fails with a good config")
class NeverWell(Correct):
    def check(self) -> dict[str, Any]:
        return {"status": "FAILED", "message": "No."}


@defect("C2", "does not try the token")
class AlwaysWell(Correct):
    def check(self) -> dict[str, Any]:
        self.valid()
        return {"status": "SUCCEEDED"}


@defect("C2", "fails without a message")
class NoMessage(Correct):
    def check(self) -> dict[str, Any]:
        return {"status": super().check()["status"]}


@defect("C3", "crashes on a config without a region")
class CrashesOnConfig(Correct):
    def problem(self) -> str | None:
        if "region" not in self.config:
            raise Failed("KeyError: 'region'", "system_error")
        return super().problem()


@defect("C4", "refuses a setting that it does not know")
class Strict(Correct):
    def problem(self) -> str | None:
        unknown = self.config.keys() - self.properties().keys()
        return f"config: {', '.join(unknown)} is unknown." if unknown else super().problem()


@defect("C5", "gives its status twice")
class TwoStatuses(Correct):
    def check(self) -> dict[str, Any]:
        self.write({"type": "CONNECTION_STATUS", "connectionStatus": super().check()})
        return super().check()


# --- D: discover -------------------------------------------------------------------------------------------


class _Catalog(Correct):
    """With a changed catalog."""

    def streams(self) -> list[dict[str, Any]]:
        found = json.loads(json.dumps(super().streams()))
        self.change(found)
        return found

    def change(self, streams: Any) -> None:
        raise NotImplementedError


@defect("D1", "has no streams")
class NoStreams(_Catalog):
    def change(self, streams: Any) -> None:
        streams.clear()


@defect("D2", "has a stream twice")
class StreamTwice(_Catalog):
    def change(self, streams: Any) -> None:
        streams.append(streams[0])


@defect("D3", "has a schema that is none")
class StreamSchema(_Catalog):
    def change(self, streams: Any) -> None:
        streams[0]["json_schema"]["properties"]["name"]["type"] = "text"


@defect("D4", "has a schema without properties")
class NoProperties(_Catalog):
    def change(self, streams: Any) -> None:
        streams[3]["json_schema"] = {"type": "object"}


@defect("D5", "has a reference in a schema")
class StreamReference(_Catalog):
    def change(self, streams: Any) -> None:
        streams[3]["json_schema"]["properties"]["more"] = {"$ref": "more.json"}


@defect("D6", "has allOf in a schema")
class StreamAllOf(_Catalog):
    def change(self, streams: Any) -> None:
        streams[3]["json_schema"]["properties"]["more"] = {"allOf": [{"type": "object"}]}


@defect("D7", "calls a number a timestamp")
class NumberAsTime(_Catalog):
    def change(self, streams: Any) -> None:
        streams[3]["json_schema"]["properties"]["score"]["airbyte_type"] = "timestamp_with_timezone"


@defect("D8", "has a cursor that is no field")
class CursorNowhere(_Catalog):
    def change(self, streams: Any) -> None:
        streams[0]["default_cursor_field"] = ["modified_at"]


@defect("D9", "has a primary key that is no field")
class KeyNowhere(_Catalog):
    def change(self, streams: Any) -> None:
        streams[0]["source_defined_primary_key"] = [["key"]]


@defect("D10", "has an object as its primary key")
class KeyObject(_Catalog):
    def change(self, streams: Any) -> None:
        streams[0]["source_defined_primary_key"] = [["more"]]


@defect("D11", "says that an incremental stream can't be resumed")
class NotResumable(_Catalog):
    def change(self, streams: Any) -> None:
        streams[0]["is_resumable"] = False


@defect("D12", "has an incremental stream without a cursor")
class NoCursor(_Catalog):
    def change(self, streams: Any) -> None:
        streams[2].update(source_defined_cursor=False, default_cursor_field=[], json_schema={"properties": {}})


@defect("D13", "lists its streams in any order")
class AnyOrder(_Catalog):
    def change(self, streams: Any) -> None:
        # as sets do, whose order a seed decides; Python itself, being isolated, would not heed the variable
        seed = os.environ.get("PYTHONHASHSEED", "")
        streams.sort(key=lambda stream: hashlib.sha256((seed + stream["name"]).encode()).digest())


@defect("D15", "has a stream without a sync mode")
class NoSyncMode(_Catalog):
    def change(self, streams: Any) -> None:
        streams[3]["supported_sync_modes"] = []


@defect("D16", "does not allow further fields")
class ClosedSchema(_Catalog):
    def change(self, streams: Any) -> None:
        streams[3]["json_schema"]["additionalProperties"] = False


@defect("D17", "has a stream without a primary key")
class NoKey(_Catalog):
    def change(self, streams: Any) -> None:
        del streams[3]["source_defined_primary_key"]


@defect("D14", "makes a text of a number")
class Retypes(_Catalog):
    def change(self, streams: Any) -> None:
        streams[0]["json_schema"]["properties"]["id"]["type"] = "string"
