"""Connectors for the acceptance suite to be tested with: a correct one, and many that have one defect each.

They need nothing but Python's standard library, so that hundreds of them can be started in a test run:
``python tests/acceptance/gallery/run.py NAME read --config ... --catalog ...``.
"""
