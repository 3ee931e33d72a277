"""What a connector of the gallery offers: its settings, what it says of them, and its streams."""

from __future__ import annotations

from typing import Any

from messages import Failed, Writes


class Offers(Writes):
    """Answers `spec`, `check` and `discover`.

    :ivar config: what it was given.
    """

    config: Any

    def spec(self) -> dict[str, Any]:
        """The specification."""
        return {"documentationUrl": "https://docs.test/gallery", "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "title": "Gallery",
            "required": ["token", "region"],
            "properties": self.properties(),
        }}  # fmt: skip

    def properties(self) -> dict[str, Any]:
        """The settings."""
        return {
            "token": {"type": "string", "title": "Token", "description": "A token.", "airbyte_secret": True,
                      "minLength": 1, "order": 0},
            "region": {"type": "string", "title": "Region", "description": "Where.", "enum": ["eu", "us"],
                       "order": 1},
            "size": {"type": "integer", "title": "Size", "default": 45, "minimum": 0, "order": 2},
            "api_url": {"type": "string", "title": "API URL", "order": 3},
            "start": {"type": "string", "title": "Start", "format": "date", "order": 4,
                      "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "examples": ["2024-01-01"]},
            "auth": {"type": "object", "title": "More", "order": 5, "oneOf": [
                {"title": "Login", "type": "object", "required": ["kind"], "properties": {
                    "kind": {"type": "string", "const": "login"},
                    "password": {"type": "string", "airbyte_secret": True}}},
                {"title": "Key", "type": "object", "required": ["kind"], "properties": {
                    "kind": {"type": "string", "const": "key"},
                    "api_key": {"type": "string", "airbyte_secret": True}}},
            ]},
        }  # fmt: skip

    def problem(self) -> str | None:
        """What is wrong with the config."""
        config = self.config
        if not isinstance(config.get("token"), str) or not config["token"]:
            return "config: `token` must be a text that is not empty."
        if config.get("region") not in ("eu", "us"):
            return "config: `region` must be eu or us."
        if not isinstance(config.get("size", 0), int):
            return "config: `size` must be a number."
        return None

    def valid(self) -> None:
        """Refuse a config that is wrong."""
        problem = self.problem()
        if problem:
            raise Failed(problem)

    def check(self) -> dict[str, Any]:
        """The connection's status."""
        problem = self.problem()
        if not problem and self.config["token"] == "wrong":
            problem = "config: the `token` is refused."
        return {"status": "FAILED", "message": problem} if problem else {"status": "SUCCEEDED"}

    def streams(self) -> list[dict[str, Any]]:
        """The catalog."""
        fields = {"id": {"type": "integer"}, "name": {"type": ["string", "null"]},
                  "updated_at": {"type": "string", "format": "date-time",
                                 "airbyte_type": "timestamp_with_timezone"},
                  "score": {"type": ["number", "null"]}, "tags": {"type": "array", "items": {"type": "string"}},
                  "more": {"type": "object", "properties": {"a": {"type": "integer"}}}}  # fmt: skip
        schema = {"type": "object", "properties": fields}
        incremental: dict[str, Any] = {
            "json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True, "default_cursor_field": ["updated_at"],
            "source_defined_primary_key": [["id"]], "is_resumable": True,
        }  # fmt: skip
        return [
            {"name": "users", **incremental},
            {"name": "logs", "namespace": "audit", **incremental},
            {"name": "empty", **incremental},
            {"name": "plans", "json_schema": schema, "supported_sync_modes": ["full_refresh"],
             "source_defined_primary_key": [["id"]]},
        ]  # fmt: skip
