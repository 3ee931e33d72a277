"""JSON Lines files: one a stream, each record a line, as the source wrote it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from headwater.bridge.sink import Batch
from headwater.errors import DestinationConfigError, DestinationError
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream, DestinationSyncMode
from headwater.protocol.messages import State, StreamDescriptor

_NEW = ".new"
_DEVICES = frozenset(["con", "prn", "aux", "nul"])  # files that Windows does not allow


class JsonlSink:
    """Appends each stream to ``FOLDER/STREAM.jsonl`` (``NAMESPACE__STREAM.jsonl``).

    A batch is on disk when it is acknowledged. At least once: after a crash, what no state covers is read and
    written again. A line that a crash cut is removed at the next start. Overwrite writes aside and takes the
    old file's place when the stream is complete.

    :param folder: made if missing.
    """

    modes: frozenset[DestinationSyncMode] = frozenset({"append", "overwrite"})
    states = None

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._files: dict[StreamDescriptor, Path] = {}

    def open(self, catalog: ConfiguredCatalog) -> None:
        """Make the folder, and mend files that a crash left with a cut line."""
        self._files = {s.descriptor: self.folder / _file_name(s.descriptor) for s in catalog.streams}
        with _explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        for stream in catalog.streams:
            path = self._files[stream.descriptor]
            with _explained(path):
                if stream.destination_sync_mode == "overwrite":
                    path = _aside(path)
                    path.unlink(missing_ok=True)
                _mend(path)
        with _explained(self.folder):
            _sync_folder(self.folder)

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        """Append the records and sync the file; on failure the file is as before."""
        path = self._files[batch.stream.descriptor]
        if batch.stream.destination_sync_mode == "overwrite":
            path = _aside(path)
        # without a buffer, of which closing the file would write the rest after all
        with _explained(path), open(path, "ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                for part in batch.parts:
                    rest = memoryview(b"\n".join(part.data) + b"\n")
                    while rest:
                        rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except BaseException:
                os.ftruncate(file.fileno(), before)
                raise

    def complete(self, stream: ConfiguredStream, covered: Sequence[State]) -> None:
        """Let what overwrote take the old file's place."""
        if stream.destination_sync_mode != "overwrite":
            return
        path = self._files[stream.descriptor]
        with _explained(path):
            os.replace(_aside(path), path)
            _sync_folder(self.folder)

    def close(self) -> None:
        """Remove what an unfinished overwrite left."""
        for path in self._files.values():
            with suppress(NotADirectoryError):  # nothing was written, as the start has told
                _aside(path).unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    return path.with_name(path.name + _NEW)


def _file_name(stream: StreamDescriptor) -> str:
    """The stream's file: the same in every run, and never another stream's on any file system.

    A name that is not plain (capitals, signs, other scripts, two underscores in a row) gets a checksum.
    """
    wished = f"{stream.namespace}__{stream.name}" if stream.namespace else stream.name
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in wished)[:150]
    parts = [stream.name] if stream.namespace is None else [stream.namespace, stream.name]
    plain = all(part and "__" not in part and part.strip("_.-") == part for part in parts)
    if name == wished.lower() and plain and name not in _DEVICES:
        return f"{name}.jsonl"
    full = f"{stream.namespace or ''}\0{stream.name}".encode("utf-8", "surrogatepass")
    return f"{name.lstrip('.')}_{zlib.crc32(full):08x}.jsonl"


def _mend(path: Path) -> None:
    """Remove a last line without its end; make the file where there is none."""
    with open(path, "ab+") as file:
        end = at = file.tell()
        while at > 0:
            start = max(0, at - 65536)
            file.seek(start)
            newline = file.read(at - start).rfind(b"\n")
            if newline >= 0:
                at = start + newline + 1
                break
            at = start
        if at < end:
            file.truncate(at)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DestinationConfigError(
            f"{path} can't be written ({error.strerror}). The target must be a folder, and what is in it files: "
            "name another one."
        ) from error
    except PermissionError as error:
        raise DestinationConfigError(f"{path} can't be written ({error.strerror}). Grant access to it.") from error
    except OSError as error:
        raise DestinationError(f"{path} can't be written ({error.strerror or error}). Make room for it.") from error
