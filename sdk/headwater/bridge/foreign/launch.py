"""Programs for ``python -c`` in an environment that has the airbyte-cdk, and nothing of ours."""

from __future__ import annotations

_MANIFEST = """
import json, sys
arguments = sys.argv[1:]
if arguments[0] == "spec":
    import yaml
    from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
    with open(arguments[arguments.index("--manifest-path") + 1], encoding="utf-8") as file:
        manifest = ManifestReferenceResolver().preprocess_manifest(yaml.safe_load(file))
    found = manifest.get("spec") or {}
    spec = {"connectionSpecification": found.get("connection_specification") or {"type": "object", "properties": {}}}
    for theirs, ours in (("documentation_url", "documentationUrl"), ("advanced_auth", "advanced_auth")):
        if found.get(theirs):
            spec[ours] = found[theirs]
    print(json.dumps({"type": "SPEC", "spec": spec}))
else:
    from airbyte_cdk.cli.source_declarative_manifest import run
    run()
"""

_CLASS = """
import importlib, inspect, sys
folder, module, name = {folder!r}, {module!r}, {name!r}
if folder is not None:
    sys.path.insert(0, folder)
from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
source_class = importlib.import_module(module)
for part in name.split("."):
    source_class = getattr(source_class, part)
arguments = sys.argv[1:]
options = {{}}
takes = inspect.signature(source_class.__init__).parameters
for option in ("catalog", "config", "state"):
    if option in takes:
        path = getattr(AirbyteEntrypoint, "extract_" + option)(arguments)
        options[option] = getattr(source_class, "read_" + option)(path) if path else None
launch(source_class(**options), arguments)
"""


def manifest_code() -> str:
    """Runs the manifest that ``--manifest-path`` names; ``spec`` is that of the manifest."""
    return _MANIFEST


def cdk_code(source: str, folder: str | None) -> str:
    """Runs a source's class.

    :param source: as ``module:Class``.
    :param folder: to look for the module in.
    """
    module, _, name = source.partition(":")
    return _CLASS.format(folder=folder, module=module, name=name)
