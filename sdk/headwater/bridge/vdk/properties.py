"""Job properties in a JSON file, for runs where nobody configured another place for them.

vdk-core's own default keeps properties in memory, so a state would be gone when the job ends.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vdk.api.plugin.plugin_input import IPropertiesServiceClient  # type: ignore[import-untyped]

from headwater.errors import StateError

TYPE = "headwater-file"
"""The name to put into ``PROPERTIES_DEFAULT_TYPE`` to choose this place where several are installed."""


class FilePropertiesServiceClient(IPropertiesServiceClient):  # type: ignore[misc]
    """The properties of one job in one file, replaced as a whole by each write.

    :param path: the file; its directory is made when it is first written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read_properties(self, job_name: str, team_name: str) -> dict[str, Any]:
        """All properties; empty before the first write.

        :raises StateError: when the file can't be read. It is never taken for a first run, since that would
            read everything again.
        """
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StateError(
                f"The job's properties in {self._path} can't be read ({error}). "
                "Repair the file, or delete it to start from the beginning."
            ) from None
        if not isinstance(found, dict):
            raise StateError(f"The job's properties in {self._path} are not a JSON object.")
        return found

    def write_properties(self, job_name: str, team_name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Replace all properties. A crash leaves the old file or the new one, never a part.

        :raises StateError: when the file can't be written.
        """
        kept = dict(properties)
        try:
            data = json.dumps(kept, indent=1).encode()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".properties-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self._path)
            except BaseException:
                os.unlink(name)
                raise
            _sync_directory(self._path.parent)
        except (OSError, TypeError, ValueError) as error:
            raise StateError(f"The job's properties can't be written to {self._path}: {error}.") from None
        return kept


def _sync_directory(path: Path) -> None:
    """Make the new name durable, where the system can."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
