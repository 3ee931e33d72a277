"""A process that reads from a container and is killed: python -m tests.containers.reading IMAGE CODE WAY [OWNER].

With an owner, its container is said to be that one's: others, who sweep what a killed process left, let it be.
"""

from __future__ import annotations

import sys

from headwater.bridge.runners import DockerRunner, docker


def main(image: str, code: str, way: str, owner: str = "") -> None:
    """Print the container's id once it writes, then read on."""
    if owner:
        docker.owner = lambda: owner
    process = DockerRunner(image, entrypoint=["python3", "-c", code], attach=way == "attach").start([])
    process.read()
    print(process.container.id, flush=True)
    while process.read():
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
