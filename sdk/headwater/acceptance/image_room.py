"""An image as the place where a connector runs."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headwater.acceptance.named_pipes import REDIRECTED
from headwater.errors import ConfigError


@dataclass(frozen=True)
class ImageRoom:
    """An image, through ``docker run``, with the network of this machine so that it can reach the proxy.

    :ivar options: further words for ``docker run``.
    :ivar started: the image's own ENTRYPOINT, and its CMD; None: it has no shell, so that nothing can be redirected.
    """

    image: str
    label: str
    options: tuple[str, ...] = ()
    container: bool = True
    started: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    @staticmethod
    def of(image: str) -> ImageRoom:
        """A room for an image.

        :raises ConfigError: there is no docker command, no engine, or no such image.
        """
        if shutil.which("docker") is None:
            raise ConfigError("--image needs the command `docker`.")
        probe = ["docker", "image", "inspect", "--format", "[{{json .Config.Entrypoint}}, {{json .Config.Cmd}}]", image]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise ConfigError(f"--image {image}: {done.stderr.strip()} (docker pull {image}?)")
        entrypoint, command = (tuple(words or ()) for words in json.loads(done.stdout))
        shell = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", ":"]
        has = subprocess.run(shell, capture_output=True, check=False).returncode == 0  # noqa: S603
        return ImageRoom(image, f"--image {shlex.quote(image)}", started=(entrypoint, command) if has else None)

    def words(
        self, arguments: Sequence[str], environment: Mapping[str, str | None], folder: Path, run: str
    ) -> list[str]:
        """As :meth:`Room.words`; the values of variables are not among them, as everybody can see a command line."""
        variables = [word for name, value in environment.items() if value is not None for word in ("-e", name)]
        network = () if "--network" in self.options else ("--network", "host")
        return ["docker", "run", "--rm", "--name", run, "--log-driver", "none", *network, "-v", f"{folder}:{folder}",
                *variables, *self.options, self.image, *arguments]  # fmt: skip

    def sender(self, run: str) -> Callable[[str], None] | None:
        """Through the engine: a signal to ``docker run`` would come late, and one that can't be caught not at all."""

        def send(signal: str) -> None:
            words = ["docker", "kill", "--signal", signal, run]
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(words, capture_output=True, timeout=60, check=False)  # noqa: S603

        if self._piped:
            return send
        # the engine answers when the container's output is taken, which is for the caller to do
        return lambda signal: threading.Thread(target=send, args=(signal,)).start()

    @property
    def _piped(self) -> bool:
        return self.started is not None and "--entrypoint" not in self.options

    def pipes(self, folder: Path, run: str) -> Path | None:
        """In the folder that the container has too, where its image has a shell."""
        return folder / run if self._piped else None

    def redirected(self, words: Sequence[str], pipes: Path) -> list[str]:
        """Its command in a shell that ends in it."""
        assert self.started is not None
        entrypoint, command = self.started
        place = list(words).index(self.image)
        before, arguments = list(words[:place]), list(words[place + 1 :])
        shell = ["--entrypoint", "sh", self.image, "-c", REDIRECTED, str(pipes)]
        return [*before, *shell, *entrypoint, *(arguments or command)]
