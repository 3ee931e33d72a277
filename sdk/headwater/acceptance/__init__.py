"""The acceptance suite: any Airbyte connector, in any language, as a process that writes bytes over time.

``engine`` starts a connector and records what it writes and when; ``connector`` keeps the recorded runs that
checks share; ``checks`` are small functions, each registered by its id; ``suite`` runs them; ``reports`` tells
people. The command line is ``headwater acceptance``.
"""
