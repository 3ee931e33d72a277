"""What Headwater adds to VDK: connectors as data sources, ingestion methods, and properties that last.

VDK finds this module by its entry point (``vdk.plugin.run``). It imports little at the top: every ``vdk``
command loads it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vdk.api.plugin.hook_markers import hookimpl  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

PROPERTIES_FILE = "HEADWATER_PROPERTIES_FILE"
_DATA_SOURCES = "vdk.plugin.data_sources.plugin_entry"
_files: dict[str, Path] = {}


@hookimpl  # type: ignore[untyped-decorator]
def vdk_start(plugin_registry: Any, command_line_args: list[str]) -> None:
    """Load vdk-data-sources where nobody did, so that its hook, its command and its sources are there."""
    try:
        from vdk.plugin.data_sources import plugin_entry  # type: ignore[import-untyped]
    except ImportError as error:  # an error here would end every vdk command
        log.warning("vdk-data-sources can't be used (%s); install headwater[vdk].", error)
        return
    if not any(plugin is plugin_entry for _, plugin in plugin_registry.list_plugins()):
        plugin_registry.load_plugin_with_hooks_impl(plugin_entry, _DATA_SOURCES)


@hookimpl  # type: ignore[untyped-decorator]
def vdk_configure(config_builder: Any) -> None:
    """The settings of this plugin."""
    config_builder.add(
        key=PROPERTIES_FILE,
        default_value=None,
        description="The JSON file for job properties, and so for the states of data flows, where no other "
        "properties backend is installed or PROPERTIES_DEFAULT_TYPE is headwater-file. "
        "Default: .headwater/properties.json in the job's directory.",
    )


@hookimpl  # type: ignore[untyped-decorator]
def vdk_data_sources_register(data_source_factory: Any) -> None:
    """Register every installed connector as a data source."""
    from headwater.bridge.vdk.data_source import register

    register(data_source_factory)


@hookimpl(hookwrapper=True)  # type: ignore[untyped-decorator]
def initialize_job(context: Any) -> Iterator[None]:
    """See all ingestion methods that plugins register in a job, and add what is missing."""
    from headwater.bridge.vdk.job import record
    from headwater.bridge.vdk.own import SQLITE, OwnIngester, own_factories

    kinds = _registered_properties(context)
    job = record(context)
    for method, factory in own_factories().items():
        context.ingester.add_ingester_factory_method(method, factory)
    yield
    if "sqlite" not in job.factories:  # that is vdk-sqlite's, where it is installed
        context.ingester.add_ingester_factory_method("sqlite", lambda: OwnIngester(SQLITE))
    _properties(context, kinds)


def _registered_properties(context: Any) -> set[str]:
    """The types of properties that plugins register from now on. vdk-core has no public way to ask."""
    kinds: set[str] = set()
    set_factory = context.properties.set_properties_factory_method

    def set_properties_factory_method(properties_type: str, properties_factory: Any) -> None:
        kinds.add(properties_type)
        set_factory(properties_type, properties_factory)

    context.properties.set_properties_factory_method = set_properties_factory_method
    return kinds


def _properties(context: Any, kinds: set[str]) -> None:
    """Keep properties in a file, where it is asked for, or where they would be gone when the job ends.

    vdk-core takes PROPERTIES_DEFAULT_TYPE, else the type "default", else the only one besides "memory"; of
    several it takes none. So one more is registered only where there is none.
    """
    from headwater.bridge.vdk.properties import TYPE, FilePropertiesServiceClient

    configured = context.core_context.configuration.get_value("PROPERTIES_DEFAULT_TYPE")
    if configured == TYPE or (not configured and kinds <= {"memory"}):
        path = _properties_file(context)
        log.info("Job properties are kept in %s.", path)
        context.properties.set_properties_factory_method(TYPE, lambda: FilePropertiesServiceClient(path))


def _properties_file(context: Any) -> Path:
    configured = context.core_context.configuration.get_value(PROPERTIES_FILE)
    if configured:
        return Path(configured)
    from vdk.internal.builtin_plugins.run.execution_state import (  # type: ignore[import-untyped]
        ExecutionStateStoreKeys,
    )

    # A template runs as a job of its own, under the name of the job that uses it and in the template's
    # directory, which may be anybody's: its properties are those of the job.
    template = context.core_context.state.get(ExecutionStateStoreKeys.TEMPLATE_NAME)
    if not template or context.name not in _files:
        _files[context.name] = Path(context.job_directory or Path.cwd()) / ".headwater" / "properties.json"
    return _files[context.name]
