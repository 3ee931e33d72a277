"""What the suite is told: by its options, and by Airbyte's ``acceptance-test-config.yml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headwater.acceptance.streams import value_at

if TYPE_CHECKING:
    from headwater.acceptance.client_container import Client

_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class ConnectionCase:
    """A config, and how ``check`` must answer it.

    :ivar status: ``succeed``, ``failed`` or ``exception``.
    """

    config: Path
    status: str


@dataclass(frozen=True)
class FutureState:
    """A state that lies ahead of all records.

    :ivar path: a file with states; None: made of the last states of a read.
    :ivar formats: of the cursor's values, by stream; "" is for all others.
    :ivar missing: streams that it leaves out.
    """

    path: Path | None = None
    formats: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Settings:
    """Everything that checks may depend on.

    :ivar config: the file that ``--config`` is given; None: only what needs none is checked.
    :ivar metadata: the content of the connector's ``metadata.yaml``.
    :ivar folder: the connector's folder, if it is tested as one.
    :ivar baseline: where the last accepted spec and catalog are kept.
    :ivar update: write baselines and expected records anew instead of comparing with them.
    :ivar bypassed: suites of the config file that are not to run, with the reason.
    :ivar seed: decides where processes are killed and which states are replayed.
    :ivar trials: how often a process is killed; how many states are replayed.
    :ivar patience: seconds that X11 waits for a connector after a fault, before it is killed.
    :ivar noise: lines that are no messages are warned about only.
    :ivar consumer: a program that reads its output in place of the bridge, with its first arguments.
    """

    config: Path | None = None
    configured_catalog: Path | None = None
    connection: Sequence[ConnectionCase] = ()
    metadata: Mapping[str, Any] | None = None
    folder: Path | None = None
    baseline: Path | None = None
    update: bool = False
    environment: Mapping[str, str | None] = field(default_factory=dict)
    timeouts: Mapping[str, float] = field(default_factory=dict)
    timeout: float = 300.0
    bypassed: Mapping[str, str] = field(default_factory=dict)
    spec_path: Path | None = None
    expected_records: Path | None = None
    expected_order: bool = False
    without_primary_key: frozenset[str] = frozenset()
    empty_streams: Mapping[str, str] = field(default_factory=dict)
    ignored_fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    off: Mapping[str, str] = field(default_factory=dict)
    """Checks that the config file turns off, by id, with the reason."""
    on: frozenset[str] = frozenset()
    """Checks that the config file makes errors, by id."""
    future_state: FutureState = FutureState()
    seed: int = 1
    trials: int = 5
    patience: float = 120.0
    noise: bool = False
    consumer: Sequence[str] = ()
    client: Client | None = None
    """Fills the source before it is read, and changes it."""
    trust: Path | None = None
    """Certificates of APIs that this machine does not know, for the proxy."""
    disabled_for: str | None = None
    """The accepted version with which compatibility is not compared."""
    file_types: tuple[str, ...] | None = None
    """Of a source of files: the kinds that it does not support; None: kinds are not looked at."""
    lacking: Sequence[str] | None = None
    """What the config file lacks for its strictness; None: there is no file."""

    def told(self, kind: type[_Kind], *path: str) -> _Kind | None:
        """What `data` of metadata.yaml has at a path of names; None if that is not there, or of another kind (H1)."""
        found = value_at(self.metadata, ("data", *path))
        return found if isinstance(found, kind) else None

    def timeout_of(self, suite: str) -> float:
        """Seconds that a command of this suite may take."""
        return self.timeouts.get(suite, self.timeout)
