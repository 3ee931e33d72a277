"""Connectors that behave in a certain way, and a way to run them as processes."""
