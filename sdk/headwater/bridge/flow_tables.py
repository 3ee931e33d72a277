"""The tables of a flow file, checked: what every form of it has in common.

An error names the place, as its reader sees it: ``where`` is such as ``[sources.hub]`` or ``flow 2``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from headwater.bridge.choice import listed
from headwater.errors import FlowError

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")


def resolved(value: Any, environ: Mapping[str, str], where: str) -> Any:
    """The value with ``${NAME}`` replaced in every text; ``$${`` stands for ``${``.

    :raises FlowError: for a variable that is not set.
    """
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _variable(found, environ, where), value)
    if isinstance(value, dict):
        return {key: resolved(item, environ, f"{where}, {key}") for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, environ, where) for item in value]
    return value


def _variable(found: re.Match[str], environ: Mapping[str, str], where: str) -> str:
    name = found.group(1)
    if name is None:
        return "${"
    if name not in environ:
        raise FlowError(f"{where}: the environment variable {name!r} is not set. Set it, then run again.")
    return environ[name]


def section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The tables ``[NAME.ID]``, by their ids.

    :raises FlowError: when it is something else.
    """
    found = data.get(name, {})
    if not isinstance(found, Mapping):
        raise FlowError(f"`{name}` must be made of tables such as [{name}.ID].")
    return found


def table_with(value: Any, where: str, needed: Iterable[str], optional: Iterable[str]) -> dict[str, Any]:
    """A table that has all it needs, and nothing that is not known.

    :raises FlowError: for any other.
    """
    if not isinstance(value, Mapping):
        raise FlowError(f"{where} must be a table.")
    missing = [name for name in needed if name not in value]
    unknown = [name for name in value if name not in (*needed, *optional)]
    if missing:
        raise FlowError(f"{where} has no {listed(missing)}.")
    if unknown:
        raise FlowError(
            f"{where} has {listed(unknown)}, which is not known here. It takes: {', '.join((*needed, *optional))}."
        )
    return dict(value)


def defined(known: Mapping[str, Any], name: Any, kind: str, where: str) -> Any:
    """What a flow refers to by its id.

    :raises FlowError: when nothing has it; says what is defined.
    """
    if not isinstance(name, str) or name not in known:
        raise FlowError(
            f"{where}: the {kind} {name!r} is not defined. Defined are: {listed(known) or 'none'}. "
            f"Name one of them, or add a table [{kind}s.{name}]."
        )
    return known[name]
