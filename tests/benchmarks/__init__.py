"""Headwater and the airbyte-cdk side by side: ``python -m tests.benchmarks`` (``make bench``)."""
