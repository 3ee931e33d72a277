"""B1 to B4 and B22 to B24: the specification as a whole."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.results import Finding, Skipped


@check("B1", "`spec` gives exactly one specification")
def one_spec(connector: Connector) -> Iterator[Finding]:
    """One SPEC message and exit code 0."""
    run = connector.spec_run
    lines = [line for line, _ in run.of("SPEC", "spec")]
    if run.code != 0:
        yield Finding(f"`spec` {run.ending}: {run.said(300) or 'nothing on standard error'}", run)
    if len(lines) == 1:
        return
    if lines:
        yield Finding.at(lines[1], run, f"`spec` gave {len(lines)} SPEC messages.")
    else:
        yield Finding("`spec` gave no SPEC message.", run)


@check("B2", "The specification is a valid JSON Schema of an object")
def valid_schema(connector: Connector) -> Iterator[Finding]:
    """By the meta-schema of draft 7."""
    from jsonschema import Draft7Validator
    from jsonschema.exceptions import SchemaError

    schema = connector.connection_specification
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as error:
        yield Finding(f"{error.json_path}: {error.message}", connector.spec_run)
    if schema.get("type") != "object":
        yield Finding("`type` at the top is not `object`.", connector.spec_run)


@check("B3", "The config fits the specification")
def config_fits(connector: Connector) -> Iterator[Finding]:
    """Settings whose names begin with an underscore are left out, as the platform does."""
    from jsonschema import Draft7Validator

    config = {name: value for name, value in connector.config.items() if not name.startswith("_")}
    for error in Draft7Validator(connector.connection_specification).iter_errors(config):
        # the value itself may be a secret
        where = error.json_path.removeprefix("$").lstrip(".") or "the config"
        needed = error.validator_value if error.validator == "required" else ()
        lacks = [name for name in needed if name not in error.instance]
        what = f"lacks {', '.join(lacks)}, which is required by" if lacks else f"does not fit `{error.validator}` of"
        yield Finding(f"{where} {what} the specification.", connector.spec_run)


@check("B4", "The specification equals the expected one")
def equals_expected(connector: Connector) -> Iterator[Finding]:
    """The file of ``spec_path``; with ``--update`` it is written."""
    path = connector.settings.spec_path
    if path is None:
        raise Skipped("no expected specification was given: `spec_path` in acceptance-test-config.yml.")
    if connector.settings.update:
        path.write_text(json.dumps(connector.spec, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if not path.exists():
        raise Skipped(f"there is no {path.name} yet: --update writes it.")
    expected = json.loads(path.read_text(encoding="utf-8"))
    for name in sorted(expected.keys() | connector.spec.keys()):
        if expected.get(name) != connector.spec.get(name):
            yield Finding(f"`{name}` is not as in {path.name}; --update accepts it.", connector.spec_run)


@check("B22", "`spec` needs no network and no config")
def works_offline(connector: Connector) -> Iterator[Finding]:
    """In a network namespace with nothing in it."""
    if connector.room.container:
        raise Skipped("group G runs `spec` in a container without a network.")
    prefix = ("unshare", "--map-root-user", "--net")
    probe = [*prefix, "true"]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True, check=False).returncode:  # noqa: S603
        raise Skipped("this machine lets nobody make a network namespace (unshare --map-root-user --net).")
    run = connector.run("spec", what="spec without a network", prefix=prefix)
    if run.code != 0 or not any(True for _ in run.of("SPEC", "spec")):
        yield Finding(f"Without a network `spec` {run.ending} and gives no specification.", run)


@check("B23", "`spec` says the same every time")
def deterministic(connector: Connector) -> Iterator[Finding]:
    """Also with another seed for hashes, another time zone and locale."""
    first: Any = connector.spec
    environment = {"PYTHONHASHSEED": "4242", "TZ": "Pacific/Auckland", "LC_ALL": "C"}
    run = connector.run("spec", what="spec again", environment=environment)
    for line, spec in run.of("SPEC", "spec"):
        if json.dumps(spec) != json.dumps(first):
            yield Finding.at(line, run, "`spec` says something else, or in another order, when it is run again.")


@check("B24", "The specification is compatible with the last accepted one")
def compatible(connector: Connector) -> Iterator[Finding]:
    """Configs that were valid stay valid, by rules and by configs that are made of the last accepted specification: the
    baseline file ``spec.json``."""
    from headwater.acceptance.baseline import baseline
    from headwater.acceptance.compatibility import config_breaks, spec_breaks

    before = baseline(connector.settings, "spec.json", connector.spec)["connectionSpecification"]
    found = list(spec_breaks(before, connector.connection_specification))
    for message in found or config_breaks(before, connector.connection_specification):
        yield Finding(message, connector.spec_run)
