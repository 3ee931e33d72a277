"""A data job as a flow sees it: its ingestion methods, its settings, its name."""

from __future__ import annotations

import threading
import weakref
from collections import ChainMap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vdk.internal.builtin_plugins.ingestion.ingester_router import (  # type: ignore[import-untyped]
    IngesterRouter,
)

from headwater.bridge.sinks import is_url
from headwater.bridge.vdk.errors import DefinitionError
from headwater.bridge.vdk.own import own_factories

IngesterFactory = Callable[[], Any]

PREPROCESS = "INGEST_PAYLOAD_PREPROCESS_SEQUENCE"
POSTPROCESS = "INGEST_PAYLOAD_POSTPROCESS_SEQUENCE"

_JOBS: weakref.WeakKeyDictionary[Any, Job] = weakref.WeakKeyDictionary()


class Job:
    """One run of a data job.

    :ivar factories: the ingestion methods registered in the job, by their name in lower case; each gives a
        new ``IIngesterPlugin``. Methods that are registered later appear here too.
    :ivar name: the job's name.
    :ivar collection_id: ``name|op id``, which vdk-core gives every payload that has no other.
    """

    def __init__(
        self,
        factories: Mapping[str, IngesterFactory],
        setting: Callable[[str], Any],
        name: str,
        op_id: str,
        directory: Path | None = None,
        query: Callable[[str, str], Any] | None = None,
    ) -> None:
        self.factories = factories
        self.name = name
        self.directory = directory
        self.collection_id = f"{name}|{op_id}"
        self._setting = setting
        self._query = query
        self._ingesters: dict[str, Any] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.RLock()

    def setting(self, key: str) -> Any:
        """The value of a VDK option such as ``INGEST_METHOD_DEFAULT``; None where it is not set."""
        return self._setting(key)

    def query(self, sql: str, database: str) -> Any:
        """Run one statement on one of the job's managed connections, and give its rows.

        :param database: the connection's name, such as ``DUCKDB``.
        """
        if self._query is None:
            raise DefinitionError(f"This job has no connection {database!r}.")
        return self._query(sql, database)

    def method(self, method: str | None, target: str | None = None) -> str:
        """The method's registered name: the given one, or ``INGEST_METHOD_DEFAULT``, or that of a target's URL.

        :param target: as the destination gives it.
        :raises DefinitionError: when there is none, or none of that name; it lists those that are there.
        """
        name = method or self.setting("INGEST_METHOD_DEFAULT") or ("headwater" if is_url(target or "") else None)
        known = ", ".join(sorted(self.factories)) or "none"
        if not name:
            raise DefinitionError(
                "The destination has no method and INGEST_METHOD_DEFAULT is not set. Let its target be a URL, such as "
                f"sqlite:///FILE, or choose one of the job's ingestion methods: {known}."
            )
        if str(name).lower() not in self.factories:
            raise DefinitionError(
                f"No ingestion method {name!r} is registered in this job; install the plugin that brings it, "
                f"or choose one of: {known}."
            )
        return str(name).lower()

    def target(self, target: str | None) -> str | None:
        """The given target, or ``INGEST_TARGET_DEFAULT``."""
        return target or self.setting("INGEST_TARGET_DEFAULT")

    def ingester(self, method: str) -> Any:
        """The method's ``IIngesterPlugin``: one for the whole job, as in vdk-core.

        :param method: a name that :meth:`method` gave.
        """
        with self._lock:
            if method not in self._ingesters:
                plugin = self.factories[method]()
                if plugin is None:
                    raise DefinitionError(f"The plugin of the ingestion method {method!r} gave no ingester.")
                self._ingesters[method] = plugin
            return self._ingesters[method]

    def lock(self, method: str) -> threading.Lock:
        """The lock under which a method posts that can do so only once at a time."""
        with self._lock:
            return self._locks.setdefault(method, threading.Lock())

    def sequence(self, option: str) -> list[Any]:
        """The plugins that an option names, comma-separated and in order: pre- or post-processors.

        :raises DefinitionError: when one of them is not registered.
        """
        names = [name.strip() for name in str(self.setting(option) or "").split(",")]
        missing = [name for name in names if name and name.lower() not in self.factories]
        if missing:
            raise DefinitionError(
                f"{option} names {', '.join(map(repr, missing))}, which no plugin of this job registered. "
                f"Registered are: {', '.join(sorted(self.factories))}."
            )
        return [self.ingester(name.lower()) for name in names if name]


def record(context: Any) -> Job:
    """Listen to the methods that plugins register in a job; called before they do.

    It replaces ``add_ingester_factory_method`` of this one context by a method that also writes down what it
    is told. vdk-core has no public way to ask which methods there are.

    :param context: the job's ``JobContext``.
    """
    factories: dict[str, IngesterFactory] = {}
    add = context.ingester.add_ingester_factory_method

    def add_ingester_factory_method(method: str, ingester_plugin: IngesterFactory) -> None:
        factories[method.lower()] = ingester_plugin
        add(method, ingester_plugin)

    context.ingester.add_ingester_factory_method = add_ingester_factory_method
    job = Job(
        factories,
        context.core_context.configuration.get_value,
        context.name,
        context.job_input.get_execution_properties()["pa__op_id"],
        context.job_directory,
        _query(context.job_input),
    )
    _JOBS[context.job_input] = job
    return job


def job_of(job_input: Any) -> Job | None:
    """The job behind a ``job_input``.

    None where it is not vdk-core's own class (a mock in a test, say): then there is no plugin to call, only
    ``send_object_for_ingestion``.
    """
    try:
        found = _JOBS.get(job_input)
    except TypeError:  # can't be referred to weakly
        found = None
    if found is not None:
        return found
    # Headwater's VDK plugin was not loaded when the job began, as under CliEntryBasedTestRunner, which loads
    # no entry points. vdk-core's job_input keeps the ingester in a private attribute; there is no other way.
    router = getattr(job_input, "_JobInput__ingester", None)
    if not isinstance(router, IngesterRouter):
        return None
    job = Job(
        ChainMap(router._ingester_builders, dict(own_factories())),
        router._cfg.get_value,
        job_input.get_name(),
        job_input.get_execution_properties()["pa__op_id"],
        job_input.get_job_directory(),
        _query(job_input),
    )
    _JOBS[job_input] = job
    return job


def _query(job_input: Any) -> Callable[[str, str], Any]:
    def query(sql: str, database: str) -> Any:
        # Not job_input.execute_query: that puts properties into the text where it finds braces.
        return job_input.get_managed_connection(database).execute_query(sql)

    return query
