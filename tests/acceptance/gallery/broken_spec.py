"""Broken connectors: spec."""

from __future__ import annotations

import random
import time
from typing import Any

from correct import Correct
from defect import defect


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


@defect("X10", "logs its token, which it does not mark as a secret")
class OpenAndLogged(OpenSecret):
    def check(self) -> dict[str, Any]:
        self.log(f"with {self.config['token']}")
        return super().check()


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


@defect("B24", "takes away a region, and a stream")
class Breaks(Correct):
    def properties(self) -> dict[str, Any]:
        found = super().properties()
        found["region"]["enum"] = ["eu"]
        return found

    def streams(self) -> list[dict[str, Any]]:
        return super().streams()[:-1]


@defect("B24", "takes smaller numbers only than before")
class Narrows(Correct):
    def properties(self) -> dict[str, Any]:
        found = super().properties()
        found["size"]["maximum"] = 1000
        return found


@defect("B4", "has another specification than is expected")
class OtherSpec(_Spec):
    def change(self, spec: Any, properties: Any) -> None:
        spec["documentationUrl"] = "https://docs.test/elsewhere"
