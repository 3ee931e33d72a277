"""Broken connectors: the process, spec, check and discover."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any

from correct import Correct, Failed
from defect import defect

# --- A: the process ----------------------------------------------------------------------------------------


@defect("A1", "prints a line of its own on standard output")
class Prints(Correct):
    def read(self, catalog: Any, states: Any) -> None:
        self.line(b"starting to read\n")
        super().read(catalog, states)


@defect("A2", "writes `emitted_at` as a float")
class FloatTime(Correct):
    def now(self) -> Any:
        return time.time() * 1000


@defect("A2", "writes a level that there is not")
class Warning(Correct):
    def check(self) -> dict[str, Any]:
        self.log("careful", "WARNING")
        return super().check()


@defect("A3", "writes NaN")
class NotANumber(Correct):
    def row(self, number: int) -> dict[str, Any]:
        return {**super().row(number), "score": float("nan") if number == 9 else 1.0}


@defect("A3", "writes two messages on one line")
class TwoOnALine(Correct):
    def status(self, stream: Any, status: str) -> None:
        if status == "RUNNING":
            self.line(b'{"type":"LOG","log":{"level":"INFO","message":"running"}}')
        super().status(stream, status)


@defect("A3", "does not end its last line")
class NoLastLineFeed(Correct):
    def complete(self, stream: Any) -> None:
        if stream["name"] != "plans":
            super().complete(stream)
        else:
            self.line(b'{"type":"LOG","log":{"level":"INFO","message":"done"}}')


@defect("A3", "cuts a name in the middle of a character")
class HalfCharacter(Correct):
    def write(self, message: Any) -> None:
        self.line(json.dumps(message).encode().replace(b"name 9", b"name \xc3") + b"\n")


@defect("A4", "exits with 0 after an unknown stream")
class ZeroOnFailure(Correct):
    def failed(self, stream: Any, error: Failed) -> None:
        super().failed(stream, error)
        self.code = 0


@defect("A4", "exits with 1 after a success")
class OneOnSuccess(Correct):
    def read(self, catalog: Any, states: Any) -> None:
        super().read(catalog, states)
        self.code = 1


@defect("A5", "a thread of it fails while it succeeds")
class ThreadFails(Correct):
    def check(self) -> dict[str, Any]:
        import threading

        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        return super().check()


@defect("A6", "exits with 0 on an unknown command")
class AnyCommand(Correct):
    def command(self, argv: list[str]) -> None:
        super().command(argv)
        self.code = 0 if argv[:1] == ["no-such-command"] else self.code


@defect("A7", "prints a config that it can't read")
class PrintsConfig(Correct):
    def load(self, path: str, what: str) -> Any:
        try:
            return super().load(path, what)
        except Failed:
            if os.path.exists(path):
                with open(path) as file:
                    print(file.read(), file=sys.stderr)
            raise


@defect("A7", "takes a catalog that is no JSON for an empty one")
class AnyCatalog(Correct):
    def load(self, path: str, what: str) -> Any:
        try:
            return super().load(path, what)
        except Failed:
            if what != "catalog":
                raise
            return {"streams": []}


@defect("A8", "needs HOME")
class NeedsHome(Correct):
    def spec(self) -> dict[str, Any]:
        os.environ["HOME"]
        return super().spec()


@defect("A9", "takes three seconds of processor time to start")
class SlowStart(Correct):
    def spec(self) -> dict[str, Any]:
        until = time.process_time() + 2.2
        while time.process_time() < until:
            pass
        return super().spec()


@defect("A10", "leaves a log file in the working directory")
class LeavesFiles(Correct):
    def check(self) -> dict[str, Any]:
        with open("connector.log", "w") as file:
            file.write("checked")
        return super().check()


# --- B: spec -----------------------------------------------------------------------------------------------


class _Spec(Correct):
    """With a changed specification."""

    def spec(self) -> dict[str, Any]:
        found = super().spec()
        self.change(found, found["connectionSpecification"]["properties"])
        return found

    def change(self, spec: Any, properties: Any) -> None:
        raise NotImplementedError


@defect("B1", "gives its specification twice")
class TwoSpecs(Correct):
    def spec(self) -> dict[str, Any]:
        found = super().spec()
        self.write({"type": "SPEC", "spec": found})
        return found


@defect("B2", "has a type that JSON Schema does not have")
class NoSchema(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["size"]["type"] = "int"


@defect("B3", "does not accept its own config")
class OtherSettings(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        spec["connectionSpecification"]["required"].append("account")


@defect("B5", "has a member of an enumeration twice")
class TwiceInEnum(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["region"]["enum"].append("eu")


@defect("B6", "has variants that nothing tells apart")
class SameVariants(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        for variant in properties["auth"]["oneOf"]:
            del variant["properties"]["kind"]["const"]


@defect("B7", "does not mark its token as a secret")
class OpenSecret(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        del properties["token"]["airbyte_secret"]


@defect("B8", "has a setting that is a text or a number")
class TwoTypes(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["size"]["type"] = ["integer", "string"]


@defect("B9", "has an object without properties")
class EmptyObject(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["more"] = {"type": "object", "title": "More"}


@defect("B10", "has an array without items")
class AnyItems(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["names"] = {"type": "array", "title": "Names"}


@defect("B11", "has allOf")
class AllOf(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["size"]["allOf"] = [{"minimum": 0}]


@defect("B12", "has a date without a pattern")
class NoPattern(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        del properties["start"]["pattern"]


@defect("B13", "has an order twice")
class SameOrder(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["size"]["order"] = 1


@defect("B14", "has a group inside an object")
class NestedGroup(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["auth"]["oneOf"][0]["properties"]["password"]["group"] = "auth"


@defect("B15", "has a reference")
class Reference(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["size"] = {"$ref": "#/definitions/size"}


@defect("B16", "names a field for OAuth that there is not")
class OAuthNowhere(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        spec["advanced_auth"] = {"auth_flow_type": "oauth2.0", "predicate_key": ["login", "kind"]}


@defect("B17", "has OAuth as the last variant")
class OAuthLast(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        spec["advanced_auth"] = {"auth_flow_type": "oauth2.0", "predicate_key": ["auth", "kind"],
                                 "predicate_value": "key"}  # fmt: skip


@defect("B18", "refuses further settings")
class Closed(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        spec["connectionSpecification"]["additionalProperties"] = False


@defect("B19", "has a default that is not allowed")
class BadDefault(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["size"]["default"] = -1


@defect("B20", "has an example that is not allowed")
class BadExample(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        properties["start"]["examples"] = ["yesterday"]


@defect("B21", "does not describe a required setting")
class Undocumented(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        del properties["token"]["description"]


@defect("B22", "looks something up in the network for its specification")
class NeedsNetwork(Correct):
    def spec(self) -> dict[str, Any]:
        import socket

        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            socket.create_connection(listening.getsockname()).close()
        return super().spec()


@defect("B23", "lists its settings in another order each time")
class Shuffled(Correct):
    def properties(self) -> dict[str, Any]:
        found = list(super().properties().items())
        random.shuffle(found)
        return {**dict(found), "now": {"type": "string", "title": str(time.time())}}


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
        streams.sort(key=lambda stream: hash(stream["name"]))


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


@defect("B24", "takes away a region, and a stream")
class Breaks(Correct):
    def properties(self) -> dict[str, Any]:
        found = super().properties()
        found["region"]["enum"] = ["eu"]
        return found

    def streams(self) -> list[dict[str, Any]]:
        return super().streams()[:-1]


@defect("D14", "makes a text of a number")
class Retypes(_Catalog):
    def change(self, streams: Any) -> None:
        streams[0]["json_schema"]["properties"]["id"]["type"] = "string"


@defect("B4", "has another specification than is expected")
class OtherSpec(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        spec["documentationUrl"] = "https://docs.test/elsewhere"


@defect("A1", "prints its token")
class PrintsToken(Correct):
    def check(self) -> dict[str, Any]:
        self.line(f"logging in with {self.config.get('token')}\n".encode())
        return super().check()
