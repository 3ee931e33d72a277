"""The keys of Airbyte's ``acceptance-test-config.yml``, and what they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ROOT = {"connector_image", "acceptance_tests", "base_path", "test_strictness_level", "custom_environment_variables",
         "client_container_config"}  # fmt: skip
COMMON = {"config_path", "timeout_seconds", "deployment_mode", "bypass_reason"}
READ = COMMON | {"configured_catalog_path", "client_container_config"}
KEYS = {
    "spec": COMMON | {"spec_path", "backward_compatibility_tests_config", "auth_default_method"},
    "connection": COMMON | {"status"},
    "discovery": COMMON | {"backward_compatibility_tests_config", "validate_primary_keys_data_type"},
    "basic_read": READ | {
        "empty_streams", "expect_records", "validate_schema", "validate_stream_statuses", "validate_state_messages",
        "validate_primary_keys_data_type", "fail_on_extra_columns", "validate_data_points",
        "expect_trace_message_on_failure", "file_types",
    },
    "full_refresh": READ | {"ignored_fields"},
    "incremental": READ | {"future_state", "skip_comprehensive_incremental_tests"},
    "connector_attributes": COMMON | {"streams_without_primary_key", "allowed_hosts", "suggested_streams"},
    "connector_documentation": COMMON,
}  # fmt: skip
"""The keys of each suite."""
LEGACY = {
    "basic_read": {"ignored_fields", "validate_output_from_all_streams", "cached_discovered_catalog"},
    "incremental": {"cursor_paths", "threshold_days", "future_state_path", "cached_discovered_catalog"},
    "full_refresh": {"cached_discovered_catalog"},
}
MANDATORY = ("spec", "connection", "discovery", "basic_read", "full_refresh", "incremental")
SWITCHES = {
    "validate_schema": ("E5",), "validate_stream_statuses": ("E13",), "validate_state_messages": ("E14", "E15", "E16"),
    "validate_primary_keys_data_type": ("E8", "E9", "D10"), "fail_on_extra_columns": ("E6",),
    "expect_trace_message_on_failure": ("E26",),
}  # fmt: skip
"""The checks that each of these turns off, where it is false."""


def reasons(given: Any) -> dict[str, str]:
    found = {}
    for one in given or ():
        if isinstance(one, dict):
            found[str(one.get("name"))] = str(one.get("bypass_reason") or "")
        else:
            found[str(one)] = ""
    return found


def names(given: Any) -> list[str]:
    return list(reasons(given))


def lacking(suites: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """What `test_strictness_level: high` asks for."""
    found = []
    for name in MANDATORY:
        suite = suites.get(name) or {}
        if not suite.get("tests") and not suite.get("bypass_reason"):
            found.append(f"`{name}` has neither tests nor a bypass_reason")
    for test in (suites.get("basic_read") or {}).get("tests") or ():
        if "configured_catalog_path" in test:
            found.append("`basic_read.configured_catalog_path` is forbidden")
        if test.get("validate_schema") is False:
            found.append("`basic_read.validate_schema` must be true")
        if not test.get("expect_records"):
            found.append("`basic_read.expect_records` is missing, and has no bypass_reason")
        found += [
            f"`empty_streams`: {name} has no bypass_reason"
            for name, reason in reasons(test.get("empty_streams")).items()
            if not reason
        ]
    for test in (suites.get("incremental") or {}).get("tests") or ():
        if not test.get("future_state"):
            found.append("`incremental.future_state` is missing, and has no bypass_reason")
    return found
