"""What the bridge needs of a source, whoever wrote it: a class of this SDK, an image, a Singer tap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from headwater.protocol.catalog import Catalog, ConfiguredCatalog
from headwater.protocol.messages import Message, State


class Readable(Protocol):
    """A configured source."""

    name: str

    def check(self) -> None:
        """Prove that the settings work; raises ConfigError to say that they don't."""

    def discover(self) -> Catalog:
        """What can be read with these settings."""

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        """Read the configured streams from where the states say.

        The messages come in the protocol's order: a state covers exactly the records before it. A stream's
        failure is an ErrorTrace and an INCOMPLETE status; it is raised, as an error, only after every other
        stream was read. Closing the iterator ends the read.
        """
