"""A step of a VDK data job, on Headwater's flows or on vdk-data-sources: which, where from and where to is in
``BENCH_HOST``, ``BENCH_URL``, ``BENCH_METHOD`` and ``BENCH_TARGET``."""

import os


def run(job_input):
    """The job."""
    url, method, target = (os.environ[f"BENCH_{name}"] for name in ("URL", "METHOD", "TARGET"))
    if os.environ["BENCH_HOST"] == "headwater":
        from headwater.bridge.vdk.data_flow import DataFlowInput
        from headwater.bridge.vdk.definitions import (
            DataFlowMappingDefinition,
            DestinationDefinition,
            SourceDefinition,
        )

        source = SourceDefinition("bench", "bench", {"url": url})
        mapping = DataFlowMappingDefinition(source, DestinationDefinition("to", method, target), streams=["items"])
    else:
        from vdk.plugin.data_sources.factory import SingletonDataSourceFactory
        from vdk.plugin.data_sources.mapping.data_flow import DataFlowInput
        from vdk.plugin.data_sources.mapping.definitions import (
            DataFlowMappingDefinition,
            DestinationDefinition,
            SourceDefinition,
        )
        from vdk_source import BenchSource

        SingletonDataSourceFactory().register_data_source_class(BenchSource)
        source = SourceDefinition("bench", "bench-items", {"url": url})
        mapping = DataFlowMappingDefinition(source, DestinationDefinition("to", method, target))
    with DataFlowInput(job_input) as flow:
        flow.start(mapping)
