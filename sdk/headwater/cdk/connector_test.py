"""A plugin of pytest that shows installed connectors to ``airbyte-cdk connector test``::

    airbyte-cdk connector test source-github --pytest-arg=-p --pytest-arg=headwater.cdk.connector_test

That command looks for the class ``SourceGithub`` in the module ``source_github``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from headwater.cdk import to_airbyte_cdk
from headwater.registry import GROUP, find


def pytest_configure(config: Any) -> None:
    """Put each connector's adapted class into its module."""
    for name in {entry.name for entry in entry_points(group=GROUP)}:
        module_name = "source_" + name.replace("-", "_")
        if find_spec(module_name) is not None:
            adapted = to_airbyte_cdk(find(name))
            module = import_module(module_name)
            if not any(found.lower() == adapted.__name__.lower() for found in dir(module)):
                setattr(module, adapted.__name__, adapted)
