"""A source as the airbyte-cdk knows them, for whoever calls connectors by its Python API.

::

    from airbyte_cdk.entrypoint import launch
    from headwater.cdk import to_airbyte_cdk

    launch(to_airbyte_cdk(GithubSource)(), sys.argv[1:])

Needs the extra ``headwater[cdk]``, which is imported when :func:`to_airbyte_cdk` is called and not before. Whoever
starts connectors as processes or images (Airbyte, PyAirbyte) needs none of this: the connector's own command line
speaks the protocol.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.cdk.source import CdkSource
    from headwater.source import Source

__all__ = ["to_airbyte_cdk"]


@cache
def to_airbyte_cdk(source_class: type[Source]) -> type[CdkSource]:
    """The source as a class of ``airbyte_cdk.sources.Source``, made without arguments; the same one at each call.

    It goes wherever the airbyte-cdk takes a source: ``airbyte_cdk.entrypoint.launch``,
    ``airbyte_cdk.test.entrypoint_wrapper``, ``connector`` of a class of ``airbyte_cdk.test.standard_tests``. It is
    named as the airbyte-cdk looks for it: ``SourceGithub`` for the source named ``github``.

    :raises ImportError: where airbyte-cdk is not installed.
    """
    try:
        from headwater.cdk.source import CdkSource
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "airbyte_cdk":
            raise
        raise ImportError(
            "airbyte-cdk is not installed in this environment: pip install 'headwater[cdk]'. It can't be where "
            "VDK is, which needs another pydantic."
        ) from error
    name = "Source" + source_class.name.replace("-", "_").title().replace("_", "")
    members = {"source_class": source_class, "__module__": source_class.__module__, "__doc__": source_class.__doc__}
    return type(name, (CdkSource,), members)
