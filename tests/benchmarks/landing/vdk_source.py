"""The benchmark's API as a data source of vdk-data-sources."""

import requests
from vdk.plugin.data_sources.config import config_class, config_field
from vdk.plugin.data_sources.data_source import (
    DataSourcePayload,
    IDataSource,
    IDataSourceConfiguration,
    IDataSourceStream,
)
from vdk.plugin.data_sources.factory import data_source


@config_class(name="bench-items", description="The benchmark's API")
class BenchConfiguration(IDataSourceConfiguration):
    """Where it is."""

    url: str = config_field(description="Its URL", default="")


class Items(IDataSourceStream):
    """Every record."""

    def __init__(self, url):
        self._url = url

    def name(self):
        """The stream's name."""
        return "items"

    def read(self):
        """The records."""
        session, following = requests.Session(), f"{self._url}/items?per_page=1000"
        while following:
            response = session.get(following)
            for record in response.json():
                yield DataSourcePayload(data=record, metadata={})
            following = response.links.get("next", {}).get("url")


@data_source(name="bench-items", config_class=BenchConfiguration)
class BenchSource(IDataSource):
    """One stream."""

    def configure(self, config):
        """Keep the settings."""
        self._config = config

    def connect(self, state):
        """Nothing to do."""

    def disconnect(self):
        """Nothing to do."""

    def streams(self):
        """The one stream."""
        return [Items(self._config.url)]
