"""Runners: each starts a connector's process in a room of its own, and gives what the process writes."""

from headwater.bridge.runners.base import Argument, Exit, FileArgument, Process, Runner
from headwater.bridge.runners.command import CommandRunner

__all__ = ["Argument", "CommandRunner", "Exit", "FileArgument", "Process", "Runner"]
