"""The benchmark's connector as a declarative manifest of airbyte-cdk."""

import json
import sys
from pathlib import Path

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.source import Source

_SCHEMA = json.loads(Path(__file__).with_name("items.json").read_text(encoding="utf-8"))
_LINKS = {
    "type": "DefaultPaginator",
    "page_token_option": {"type": "RequestPath"},
    "pagination_strategy": {
        "type": "CursorPagination",
        "cursor_value": "{{ headers['link']['next']['url'] }}",
        "stop_condition": "{{ 'next' not in headers['link'] }}",
    },
}
_CURSOR = {
    "type": "DatetimeBasedCursor",
    "cursor_field": "updated_at",
    "cursor_datetime_formats": ["%Y-%m-%dT%H:%M:%SZ"],
    "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
    "start_datetime": "2021-01-01T00:00:00Z",
    "start_time_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "since"},
}


def _stream(name, path, schema, paginator=_LINKS, **more):
    requester = {
        "type": "HttpRequester",
        "url_base": "{{ config['url'] }}/",
        "path": path,
        "http_method": "GET",
        "request_parameters": {"per_page": "{{ config['per_page'] }}"},
    }
    retriever = {
        "type": "SimpleRetriever",
        "requester": requester,
        "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
        "paginator": paginator,
    }
    router = more.pop("partition_router", None)
    if router:
        retriever["partition_router"] = router
    loader = {"type": "InlineSchemaLoader", "schema": schema}
    return {
        "type": "DeclarativeStream", "name": name, "primary_key": "id", "retriever": retriever,
        "schema_loader": loader, **more,
    }  # fmt: skip


_GROUPS = _stream("groups", "groups/{{ config['parts'] }}", {"type": "object", "properties": {"id": {}}})
_GROUPS["retriever"]["requester"]["request_parameters"] = {"per_page": "1000"}
_ROUTER = {
    "type": "SubstreamPartitionRouter",
    "parent_stream_configs": [
        {"type": "ParentStreamConfig", "stream": _GROUPS, "parent_key": "id", "partition_field": "part"}
    ],
}
_MEMBERS = "parts/{{ config['parts'] }}/{{ stream_partition.part }}"
_MANIFEST = {
    "version": "6.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["items"]},
    "streams": [
        _stream("items", "items", _SCHEMA),
        _stream("changes", "items", _SCHEMA, incremental_sync=_CURSOR),
        _stream("members", _MEMBERS, _SCHEMA, {"type": "NoPagination"}, partition_router=_ROUTER),
        _stream(
            "member_changes", _MEMBERS, _SCHEMA, {"type": "NoPagination"}, partition_router=_ROUTER,
            incremental_sync=_CURSOR,
        ),
    ],
    "spec": {
        "type": "Spec",
        "connection_specification": {"type": "object", "properties": {"url": {"type": "string"}}},
    },
}  # fmt: skip


def _source(arguments):
    parsed = AirbyteEntrypoint.parse_args(arguments)
    given = {name: getattr(parsed, name, None) for name in ("config", "catalog", "state")}
    return ConcurrentDeclarativeSource(
        catalog=Source.read_catalog(given["catalog"]) if given["catalog"] else None,
        config=Source.read_config(given["config"]) if given["config"] else None,
        state=Source.read_state(given["state"]) if given["state"] else [],
        source_config=_MANIFEST,
    )


if __name__ == "__main__":
    launch(_source(sys.argv[1:]), sys.argv[1:])
