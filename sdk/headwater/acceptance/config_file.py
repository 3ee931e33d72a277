"""Airbyte's ``acceptance-test-config.yml``, as it stands: every key is read, and what is not heeded is told.

The keys are those of connector-acceptance-test 3.8; some of other versions are accepted and warned of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headwater.acceptance.client_container import KEYS as CLIENT_KEYS
from headwater.acceptance.client_container import Client, client_of
from headwater.acceptance.config_keys import KEYS, LEGACY, ROOT, SWITCHES, lacking, names, reasons
from headwater.acceptance.settings import ConnectionCase, FutureState, Settings
from headwater.errors import ConfigError

NAME = "acceptance-test-config.yml"


@dataclass
class ConfigFile:
    """What was read.

    :ivar main: the settings of the first configuration of each suite.
    :ivar others: further configurations: the file's name, the settings, and the groups of checks that it is for.
    :ivar notes: what a person should know of the file.
    :ivar lacking: what its strictness level asks for and it does not have.
    """

    main: Settings
    others: list[tuple[str, Settings, tuple[str, ...]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)


def load(path: Path, content: Any, base: Settings) -> ConfigFile:
    """Read the file's content.

    :param base: what is known besides.
    :raises ConfigError: it is no such file.
    """
    return _Reader(path, base).read(content)


class _Reader:
    def __init__(self, path: Path, base: Settings) -> None:
        self.path, self.base = path, base
        self.folder = path.parent
        self.notes: list[str] = []

    def read(self, content: Any) -> ConfigFile:
        suites = self._suites(content)
        if content.get("base_path"):
            self.folder = self.folder / str(content["base_path"])
        found = ConfigFile(self._main(content, suites), notes=self.notes)
        found.others = list(self._others(found.main, suites))
        if content.get("test_strictness_level") == "high":
            found.lacking = list(lacking(suites))
        for name in ("custom_environment_variables",):
            if content.get(name):
                variables = {
                    str(key): str(value).lower() if isinstance(value, bool) else str(value)
                    for key, value in content[name].items()
                }
                found.main = replace(found.main, environment={**found.main.environment, **variables})
        return found

    def _suites(self, content: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(content, dict):
            raise ConfigError(f"{self.path}: an object is needed.")
        for old, how in (("acceptance-tests", "spelled with a hyphen"), ("tests", "of the legacy form")):
            if old in content and "acceptance_tests" not in content:
                self.notes.append(f"{self.path.name}: `{old}` is {how}; it is `acceptance_tests` today.")
                content["acceptance_tests"] = content.pop(old)
        for name in sorted(content.keys() - ROOT):
            self.notes.append(f"{self.path.name}: `{name}` is unknown.")
        given = content.get("acceptance_tests")
        if not isinstance(given, dict):
            raise ConfigError(f"{self.path}: `acceptance_tests` must be an object of suites.")
        suites = {}
        for name, suite in given.items():
            if name not in KEYS:
                self.notes.append(f"{self.path.name}: there is no suite `{name}`.")
            elif isinstance(suite, list):
                suites[name] = {"tests": suite}
            elif isinstance(suite, dict):
                suites[name] = suite
            else:
                raise ConfigError(f"{self.path}: `{name}` must have `tests` or a `bypass_reason`.")
        for name in suites:
            for test in self._tests(suites, name):
                self._known(name, test)
        return suites

    def _known(self, suite: str, test: Mapping[str, Any]) -> None:
        for key in sorted(test.keys() - KEYS[suite]):
            how = "of another version" if key in LEGACY.get(suite, ()) else "unknown"
            self.notes.append(f"{self.path.name}: `{suite}.{key}` is {how}, and is not heeded.")

    def _tests(self, suites: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        tests = (suites.get(name) or {}).get("tests") or []
        if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
            raise ConfigError(f"{self.path}: `{name}.tests` must be a list of objects.")
        return tests

    # --- the first configuration of each suite ------------------------------------------------------------

    def _main(self, content: Mapping[str, Any], suites: dict[str, dict[str, Any]]) -> Settings:
        first = {name: (self._tests(suites, name) or [{}])[0] for name in KEYS}
        off: dict[str, str] = {}
        on: set[str] = set()
        environment = dict(self.base.environment)
        timeouts = dict(self.base.timeouts)
        for name, test in first.items():
            if test.get("timeout_seconds"):
                timeouts[name] = float(test["timeout_seconds"])
            if test.get("deployment_mode"):
                environment["DEPLOYMENT_MODE"] = str(test["deployment_mode"])
            for switch, ids in SWITCHES.items():
                if test.get(switch) is False:
                    off.update(dict.fromkeys(ids, f"`{name}.{switch}` is false in {self.path.name}."))
        if first["basic_read"].get("validate_data_points"):
            on.add("E7")
        if first["basic_read"].get("validate_stream_statuses"):
            on.add("E13")
        off.update(self._attributes(first))
        read, incremental, attributes = first["basic_read"], first["incremental"], first["connector_attributes"]
        expected = read.get("expect_records") or {}
        for key in ("extra_fields", "extra_records"):
            if key in expected:
                self.notes.append(f"{self.path.name}: `expect_records.{key}` is of another version, and is not heeded.")
        ignored: dict[str, list[str]] = {name: list(paths) for name, paths in self.base.ignored_fields.items()}
        for stream, fields in (first["full_refresh"].get("ignored_fields") or {}).items():
            ignored.setdefault(stream, []).extend(names(fields))
        return replace(
            self.base,
            config=self.base.config or self._config(suites),
            configured_catalog=self.base.configured_catalog or self._file(read.get("configured_catalog_path")),
            connection=[*self.base.connection, *self._connection(suites)],
            environment=environment,
            timeouts=timeouts,
            bypassed={
                name: str(suite["bypass_reason"]) for name, suite in suites.items() if suite.get("bypass_reason")
            },
            spec_path=self._file(first["spec"].get("spec_path"), there=False),
            expected_records=self.base.expected_records or self._file(expected.get("path"), there=False),
            expected_order=bool(expected.get("exact_order")),
            empty_streams={**reasons(read.get("empty_streams")), **self.base.empty_streams},
            ignored_fields=ignored,
            without_primary_key=frozenset(names(attributes.get("streams_without_primary_key"))),
            future_state=self._future(incremental.get("future_state")),
            off={**off, **self.base.off},
            on=self.base.on | on,
            disabled_for=self._disabled(first),
            file_types=self._file_types(read.get("file_types")),
            client=self._client(content, first),
        )

    def _client(self, content: Mapping[str, Any], first: Mapping[str, Mapping[str, Any]]) -> Client | None:
        """The commands that fill the source: those of the suites that read, on top of those that are for all."""
        given: dict[str, Any] = {}
        for part in (content, *(first[name] for name in ("full_refresh", "basic_read", "incremental"))):
            found = part.get("client_container_config") or {}
            if not isinstance(found, dict):
                raise ConfigError(f"{self.path}: `client_container_config` must be an object.")
            given.update(found)
        for key in sorted(given.keys() - CLIENT_KEYS):
            self.notes.append(f"{self.path.name}: `client_container_config.{key}` is unknown, and is not heeded.")
        client = client_of(given, self.folder)
        if isinstance(client, str):
            self.notes.append(f"{self.path.name}: `client_container_config` {client}.")
            return None
        return client

    def _attributes(self, first: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        off = {}
        attributes = first["connector_attributes"]
        for key, ids in (("allowed_hosts", ("X19", "H10")), ("suggested_streams", ("H11",))):
            reason = (attributes.get(key) or {}).get("bypass_reason")
            if reason:
                off.update(dict.fromkeys(ids, f"`{key}` is bypassed: {reason}"))
        method = first["spec"].get("auth_default_method") or {}
        if method.get("oauth") is False:
            off["B17"] = f"`auth_default_method.oauth` is false: {method.get('bypass_reason', 'no reason is given')}"
        if first["incremental"].get("skip_comprehensive_incremental_tests"):
            reason = f"`skip_comprehensive_incremental_tests` is set in {self.path.name}."
            off.update(dict.fromkeys(("F2", "X16"), reason))
        reason = (first["incremental"].get("future_state") or {}).get("bypass_reason")
        if reason:
            off["F4"] = f"`future_state` is bypassed: {reason}"
        reason = (first["basic_read"].get("expect_records") or {}).get("bypass_reason")
        if reason:
            off["E20"] = f"`expect_records` is bypassed: {reason}"
        return off

    def _config(self, suites: dict[str, dict[str, Any]]) -> Path | None:
        """The config that most is read with; a file that is not there is told and left out."""
        for name in ("basic_read", "connection", "discovery", "incremental", "full_refresh", "spec"):
            for test in self._tests(suites, name):
                path = self.folder / str(test.get("config_path", "secrets/config.json"))
                if test.get("status", "succeed") == "succeed" and path.is_file():
                    return path.resolve()
        self.notes.append(f"{self.path.name}: none of its configs is there; --config FILE names one.")
        return None

    def _connection(self, suites: dict[str, dict[str, Any]]) -> list[ConnectionCase]:
        cases = []
        for test in self._tests(suites, "connection"):
            status = str(test.get("status", "succeed"))
            if status not in ("succeed", "failed", "exception"):
                raise ConfigError(f"{self.path}: `connection.status` is {status!r}; succeed, failed or exception.")
            path = self._file(test.get("config_path", "secrets/config.json"))
            if path is not None:
                cases.append(ConnectionCase(path, status))
        return cases

    def _future(self, given: Any) -> FutureState:
        found = given if isinstance(given, dict) else {}
        form = found.get("cursor_format") or {}
        formats = {str(one["name"]): str(one["format"]) for one in form.get("streams") or ()}
        if form.get("format"):
            formats[""] = str(form["format"])
        path = self._file(found.get("future_state_path"))
        return FutureState(path, formats, frozenset(names(found.get("missing_streams"))))

    def _disabled(self, first: Mapping[str, Mapping[str, Any]]) -> str | None:
        for name in ("spec", "discovery"):
            version = (first[name].get("backward_compatibility_tests_config") or {}).get("disable_for_version")
            if version:
                return str(version)
        return None

    def _file_types(self, given: Any) -> tuple[str, ...] | None:
        found = given if isinstance(given, dict) else None
        if found is None or found.get("skip_test"):
            return None
        return tuple(str(one["extension"]) for one in found.get("unsupported_types") or ())

    def _file(self, name: Any, there: bool = True) -> Path | None:
        if not name:
            return None
        path = (self.folder / str(name)).resolve()
        if there and not path.is_file():
            note = f"{self.path.name}: there is no file {name}."
            if note not in self.notes:
                self.notes.append(note)
            return None
        return path

    # --- further ones -------------------------------------------------------------------------------------

    def _others(self, main: Settings, suites: dict[str, dict[str, Any]]) -> list[tuple[str, Settings, tuple[str, ...]]]:
        groups = {"discovery": "D", "basic_read": "E", "full_refresh": "E", "incremental": "F"}
        found: dict[Path, set[str]] = {}
        for name, group in groups.items():
            for test in self._tests(suites, name):
                path = self._file(test.get("config_path", "secrets/config.json"))
                if path is not None and path != main.config:
                    found.setdefault(path, set()).add(group)
        return [
            (
                path.name,
                replace(main, config=path, expected_records=None, configured_catalog=None),
                tuple(sorted(names)),
            )
            for path, names in found.items()
        ]
