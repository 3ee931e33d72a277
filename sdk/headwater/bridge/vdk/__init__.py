"""Headwater inside a VDK data job: the only package that imports ``vdk``."""
