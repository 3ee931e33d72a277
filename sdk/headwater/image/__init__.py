"""Connectors as images: their packages as wheels, a Dockerfile, a build.

What it is for and how it is used is in docs/images.md.
"""

from headwater.image.build import build_image
from headwater.image.connector import Connector
from headwater.image.dockerfile import dockerfile

__all__ = ["Connector", "build_image", "dockerfile"]
