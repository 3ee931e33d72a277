"""A process that reads from a container and is killed: python -m tests.containers.reading IMAGE CODE [attach]."""

from __future__ import annotations

import sys

from headwater.bridge.runners import DockerRunner


def main(image: str, code: str, way: str = "") -> None:
    """Print the container's id once it writes, then read on."""
    process = DockerRunner(image, entrypoint=["python3", "-c", code], attach=way == "attach").start([])
    process.read()
    print(process.container.id, flush=True)
    while process.read():
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
