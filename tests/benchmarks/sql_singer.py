"""A tap of the singer-sdk to any database, as its taps of SQLite and MySQL are made; in the peers' environment."""

from __future__ import annotations

from typing import Any

from singer_sdk import SQLConnector, SQLStream, SQLTap
from singer_sdk.typing import PropertiesList, Property, StringType


class Connector(SQLConnector):
    """Where the database is."""

    def get_sqlalchemy_url(self, config: Any) -> str:
        return str(config["sqlalchemy_url"])


class Table(SQLStream):
    """A table."""

    connector_class = Connector


class Tap(SQLTap):
    """The tap."""

    name = "tap-bench"
    default_stream_class = Table
    config_jsonschema = PropertiesList(Property("sqlalchemy_url", StringType, required=True)).to_dict()


if __name__ == "__main__":
    Tap.cli()
