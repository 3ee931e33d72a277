"""Connectors to HTTP APIs."""
