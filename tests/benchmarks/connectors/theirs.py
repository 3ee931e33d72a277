"""The benchmark's connector on airbyte-cdk: its classic classes, the fastest that it has."""

import json
import sys
from pathlib import Path

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import CheckpointMixin
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.utils.transform import TransformConfig, TypeTransformer

# The CDK asks for the schema once a record.
_SCHEMA = json.loads(Path(__file__).with_name("items.json").read_text(encoding="utf-8"))


class Items(HttpStream):
    """Every record, each time."""

    name = "items"
    primary_key = "id"

    def __init__(self, config):
        super().__init__()
        self._config = config

    @property
    def url_base(self):
        return self._config["url"] + "/"

    def path(self, **kwargs):
        return "items"

    def get_json_schema(self):
        return _SCHEMA

    def request_params(self, stream_state, stream_slice=None, next_page_token=None):
        if next_page_token:
            return next_page_token
        return {"per_page": self._config.get("per_page", 1000)}

    def next_page_token(self, response):
        url = response.links.get("next", {}).get("url")
        if not url:
            return None
        return dict(pair.split("=") for pair in url.partition("?")[2].split("&"))

    def parse_response(self, response, **kwargs):
        return response.json()


class Changes(Items, CheckpointMixin):
    """The records that changed, with a state after every page."""

    name = "changes"
    cursor_field = "updated_at"
    state_checkpoint_interval = 1000

    def __init__(self, config):
        super().__init__(config)
        self._state = {}

    @property
    def state(self):
        return self._state

    @state.setter
    def state(self, value):
        self._state = value

    def request_params(self, stream_state, stream_slice=None, next_page_token=None):
        params = super().request_params(stream_state, stream_slice, next_page_token)
        if not next_page_token and (stream_state or {}).get(self.cursor_field):
            return {**params, "since": stream_state[self.cursor_field]}
        return params

    def read_records(self, sync_mode, cursor_field=None, stream_slice=None, stream_state=None):
        for record in super().read_records(sync_mode, cursor_field, stream_slice, stream_state):
            value = record[self.cursor_field]
            if value > self._state.get(self.cursor_field, ""):
                self._state = {self.cursor_field: value}
            yield record


class Tagged(Items):
    """Every record, with a field more."""

    name = "tagged"

    def parse_response(self, response, **kwargs):
        for record in response.json():
            yield {**record, "tag": "bench"}


class Coerced(Items):
    """Every record, brought to the schema; all fit."""

    name = "coerced"
    transformer = TypeTransformer(TransformConfig.DefaultSchemaNormalization)


class Quoted(Coerced):
    """Every record, brought to the schema; in each, three numbers are texts."""

    name = "quoted"

    def path(self, **kwargs):
        return "quoted"


class BenchSource(AbstractSource):
    """Reads the benchmark's API."""

    def spec(self, logger):
        properties = {"url": {"type": "string"}, "per_page": {"type": "integer", "default": 1000}}
        schema = {"type": "object", "required": ["url"], "properties": properties}
        return ConnectorSpecification(connectionSpecification=schema)

    def check_connection(self, logger, config):
        return True, None

    def streams(self, config):
        return [Items(config), Changes(config), Tagged(config), Coerced(config), Quoted(config)]


if __name__ == "__main__":
    launch(BenchSource(), sys.argv[1:])
