"""Rows landed in databases, by Headwater and its peers: ``python -m tests.benchmarks --landing``."""
