"""Headwater's own destinations."""
