"""The connector under test: its recorded runs, each made once, when the first check asks for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headwater.acceptance.checks import WATCHES, Watch
from headwater.acceptance.cuts import Cut, cuts
from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Finding, Skipped
from headwater.acceptance.rooms import Room
from headwater.acceptance.rows import Rows, rows_of
from headwater.acceptance.runs import Runs
from headwater.acceptance.secrets import Masking, likely, unmarked, values
from headwater.acceptance.settings import Settings
from headwater.acceptance.shared import once
from headwater.acceptance.states import Kept, State, for_next, kept
from headwater.acceptance.streams import Configured, configured
from headwater.acceptance.watching import pass_over
from headwater.acceptance.web import Web

UNKNOWN = "__AIRBYTE__stream_that_does_not_exist"
_MOST_SINGLE = 6


class Connector(Runs):
    """The connector under test.

    :param room: where it runs.
    :param folder: for the recordings and the files that it is given.
    """

    def __init__(self, room: Room, settings: Settings, folder: Path) -> None:
        super().__init__(room, settings, folder)
        self._kept: dict[int, Kept] = {}
        self._resumed: dict[str, _Resumed] = {}

    def read(
        self,
        catalog: Configured,
        states: Sequence[Mapping[str, Any]] | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        flags: Sequence[str] = (),
        **how: Any,
    ) -> Recording:
        """One ``read``.

        :param states: what ``--state`` is given; None: the flag is left out.
        """
        path = self.config_file if config is None else self.file("config.json", config)
        arguments = ["--config", str(path), "--catalog", str(self.file("catalog.json", catalog.json))]
        if states is not None:
            arguments += ["--state", str(self.file("state.json", list(states)))]
        return self.run("read", *arguments, *flags, **how)

    # --- what checks share --------------------------------------------------------------------------------

    @once
    def spec_run(self) -> Recording:
        """``spec``."""
        return self.run("spec", what="spec")

    @once
    def spec(self) -> dict[str, Any]:
        """The specification that ``spec`` wrote."""
        for _, spec in self.spec_run.of("SPEC", "spec"):
            if isinstance(spec.get("connectionSpecification"), dict):
                return spec
        raise Skipped("`spec` gave no specification.")

    @property
    def connection_specification(self) -> dict[str, Any]:
        """The JSON Schema of its config."""
        found: dict[str, Any] = self.spec["connectionSpecification"]
        return found

    @once
    def config(self) -> dict[str, Any]:
        """The config, decoded."""
        if self.settings.config is None:
            raise Skipped("no config was given: --config FILE.")
        found = json.loads(self.settings.config.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise Skipped("the config is not a JSON object.")
        return found

    @once
    def masking(self) -> Masking:
        """Takes the config's secrets out of texts, also what looks like one and is not marked; without a specification
        what may be one by its name alone."""
        try:
            schema = self.connection_specification
        except Exception:  # noqa: BLE001 - whatever is wrong with `spec`: better too much is hidden than too little
            return Masking(likely(self.config))
        return Masking([*values(schema, self.config), *unmarked(schema, self.config)])

    @once
    def config_file(self) -> Path:
        """The config, where the connector finds it."""
        return self.file("config.json", self.config)

    @once
    def check_run(self) -> Recording:
        """``check`` with the config."""
        return self.run("check", "--config", str(self.config_file), what="check")

    @once
    def discover_run(self) -> Recording:
        """``discover`` with the config."""
        return self.run("discover", "--config", str(self.config_file), what="discover")

    @once
    def catalog(self) -> dict[str, Any]:
        """What ``discover`` wrote."""
        for _, catalog in self.discover_run.of("CATALOG", "catalog"):
            if isinstance(catalog.get("streams"), list):
                return catalog
        raise Skipped("`discover` gave no catalog.")

    @once
    def streams(self) -> Configured:
        """What is read: every stream that is not exempt, incrementally where it can be."""
        if self.settings.configured_catalog is not None:
            return Configured(json.loads(self.settings.configured_catalog.read_text(encoding="utf-8")))
        found = configured(self.catalog)
        if not found:
            raise Skipped("the catalog has no streams.")
        return found

    @once
    def first(self) -> Recording:
        """The read from the beginning, which most checks look at."""
        return self.read(self.streams, what="read from the beginning")

    @once
    def watches(self) -> dict[str, Watch]:
        """What the watches saw in it."""
        found = {id: kind(self, self.first, self.streams) for id, kind in WATCHES.items()}
        pass_over(self.first, self.streams, list(found.values()))
        return found

    def watched(self, id: str) -> list[Finding]:
        """What one watch saw in it.

        :raises Skipped: it could not be looked at.
        """
        found = self.watches[id]
        if found.optional:
            raise Skipped(found.optional)
        return found.findings

    @once
    def succeeded(self) -> Recording:
        """The first read, if it was a success: what others are compared with.

        :raises Skipped: it was none.
        """
        if self.first.code != 0 or self.first.timed_out:
            raise Skipped(f"the read from the beginning {self.first.ending}, so nothing can be compared with it.")
        return self.first

    def needs_success(self) -> None:
        """For checks that compare with the first read.

        :raises Skipped: it was no success.
        """
        assert self.succeeded.code == 0

    @once
    def rows(self) -> dict[str, Rows]:
        """The records of the first read."""
        return rows_of(self.succeeded, self.streams, self.settings.ignored_fields)

    @once
    def again(self) -> Recording:
        """The first read once more, in other surroundings: hash seed, time zone, locale."""
        self.needs_success()
        environment = {"PYTHONHASHSEED": "4242", "TZ": "Pacific/Auckland", "LC_ALL": "C"}
        return self.read(self.streams, environment=environment, what="the same again, in other surroundings")

    @once
    def stands_still(self) -> bool:
        """Whether two reads give the same: then contents can be compared, not only keys."""
        if self.again.code != 0:
            return False
        rows = rows_of(self.again, self.streams, self.settings.ignored_fields)
        return all(rows[name].contents.same(self.rows[name].contents) for name in self.streams)

    # --- states -------------------------------------------------------------------------------------------

    def kept(self, recording: Recording) -> Kept:
        """The states of a read."""
        with self._lock:
            found = self._kept.get(recording.number)
        if found is None:
            found = kept(recording)
            with self._lock:
                self._kept[recording.number] = found
        return found

    @once
    def final_states(self) -> list[State]:
        """What the sync after the first read is given: the states of incremental streams.

        :raises Skipped: there are none.
        """
        self.needs_success()
        found = for_next(self.kept(self.first).last(), self.streams, same_job=False)
        if not found:
            raise Skipped("no stream that is read incrementally gave a state.")
        return found

    @once
    def second(self) -> Recording:
        """The read after the first one."""
        return self.resumed(self.final_states)

    def resumed(self, states: Sequence[State]) -> Recording:
        """A read that goes on from states; made once, unless it is large."""
        identity = json.dumps(states, sort_keys=True)
        with self._lock:
            lock = self._resumed.setdefault(identity, _Resumed())
        with lock.lock:
            if lock.run is not None:
                return lock.run
            run = self.read(self.streams, states, what="goes on from states")
            if self.large is None or run.size <= self.large.least:
                lock.run = run
            return run

    def cuts(self, edges: bool = False) -> list[Cut]:
        """Places of the first read to go on from.

        :param edges: only where the records around a state have the same cursor.
        """
        self.needs_success()
        return cuts(self, self.settings.trials, edges=edges)

    @once
    def web(self) -> Web:
        """The connector behind a proxy."""
        self.needs_success()
        return Web(self)

    @once
    def single_reads(self) -> dict[str, Recording]:
        """A read of each stream alone; of some, if there are many."""
        self.needs_success()
        if len(self.streams) < 2:
            raise Skipped("there is one stream only.")
        names = list(self.streams)
        chosen = names if len(names) <= _MOST_SINGLE else self.chance().sample(names, _MOST_SINGLE)
        return {name: self.read(self.streams.only([name]), what=f"{name} alone") for name in chosen}

    @once
    def unknown_stream(self) -> Recording:
        """A read of one stream that there is and one that there is not."""
        stream = {
            "name": UNKNOWN,
            "json_schema": {"type": "object", "properties": {"id": {"type": "string"}}},
            "supported_sync_modes": ["full_refresh"],
        }
        unknown = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
        first = next(iter(self.streams.values()))
        return self.read(Configured({"streams": [unknown, first.json]}), what="a stream that does not exist")


class _Resumed:
    """A read that goes on from states, made by the first who asks for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.run: Recording | None = None
