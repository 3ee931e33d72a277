"""``headwater image``: connectors as images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError


def add_image(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; gives its parsers."""
    image = commands.add_parser("image", help="make an image of a connector")
    kinds = image.add_subparsers(required=True, metavar="WHAT")

    build = kinds.add_parser("build", help="build the image of a connector, with the Docker engine of this machine")
    build.add_argument("connector", metavar="CONNECTOR", help="its folder, or a requirement, as pip takes it")
    build.add_argument("--base-image", metavar="IMAGE", help="an image with Python and pip; default: python:3.11-slim")
    build.add_argument("--tag", metavar="NAME", help="the image's name; default: as metadata.yaml says")
    build.add_argument("--constraint", metavar="FILE", type=Path, help="versions of packages, as pip takes them")
    build.set_defaults(command=_build)

    write = kinds.add_parser("dockerfile", help="write Dockerfile and .dockerignore into a connector's folder")
    write.add_argument("folder", metavar="FOLDER", type=Path)
    write.set_defaults(command=_dockerfile)
    return [build, write]


def _build(options: argparse.Namespace) -> int:
    from headwater.image.build import BASE_IMAGE, build_image

    folder = Path(options.connector)
    if not folder.is_dir() and "/" in options.connector:
        raise ConfigError(f"The folder {options.connector} is not there.")
    what = folder.absolute() if folder.is_dir() else str(options.connector)
    name = build_image(
        what, base_image=options.base_image or BASE_IMAGE, tag=options.tag, constraint=options.constraint
    )
    sys.stdout.write(name + "\n")
    return 0


def _dockerfile(options: argparse.Namespace) -> int:
    from headwater.image import Connector, dockerfile
    from headwater.image.dockerfile import IGNORED

    text = dockerfile(Connector.of_folder(options.folder.absolute()))
    for name, content in (("Dockerfile", text), (".dockerignore", IGNORED)):
        path = options.folder / name
        path.write_text(content, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
    return 0
