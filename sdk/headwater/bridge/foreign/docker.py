"""A connector in an image, as a class.

::

    class Shopify(DockerSource):
        image = "airbyte/source-shopify:2.5.1"

        def transform(self, stream, record):
            record.pop("email", None)
            return record
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from headwater.bridge.foreign.source import ForeignSource
from headwater.bridge.runners.base import SILENCE, Runner
from headwater.bridge.runners.docker import MEMORY, DockerRunner
from headwater.bridge.runners.docker_engine import Pull


class DockerSource(ForeignSource):
    """A connector that is an image; what each name means: :class:`~headwater.bridge.runners.docker.DockerRunner`.

    :cvar image: its name, with a tag or a digest.
    :cvar silence: seconds without output after which it counts as hanging.
    """

    image: ClassVar[str] = ""
    pull: ClassVar[Pull] = "missing"
    network: ClassVar[str | None] = None
    memory: ClassVar[str | int | None] = MEMORY
    cpus: ClassVar[float | None] = None
    mounts: ClassVar[Sequence[str]] = ()
    environment: ClassVar[Mapping[str, str]] = {}
    user: ClassVar[str | None] = None
    entrypoint: ClassVar[str | Sequence[str] | None] = None
    read_only: ClassVar[bool] = False
    writable_files: ClassVar[bool | None] = None
    attach: ClassVar[bool] = False
    silence: ClassVar[float] = SILENCE

    def make_runner(self) -> Runner:
        """Of the image."""
        return DockerRunner(
            self.image,
            pull=self.pull,
            network=self.network,
            memory=self.memory,
            cpus=self.cpus,
            mounts=self.mounts,
            environment=self.environment,
            user=self.user,
            entrypoint=self.entrypoint,
            read_only=self.read_only,
            writable_files=self.protocol == "singer" if self.writable_files is None else self.writable_files,
            attach=self.attach,
            silence=self.silence,
        )
