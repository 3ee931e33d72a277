"""Runners: each starts a connector's process in a room of its own, and gives what the process writes."""

from headwater.bridge.runners.base import Argument, Exit, FileArgument, Process, Runner
from headwater.bridge.runners.command import CommandRunner
from headwater.bridge.runners.docker import DockerRunner

__all__ = ["Argument", "CommandRunner", "DockerRunner", "Exit", "FileArgument", "Process", "Runner"]
