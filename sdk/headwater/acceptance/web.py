"""The connector behind the proxy: reads whose HTTP answers are recorded, given again and spoiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headwater.acceptance.proxy.server import Seen, Session
from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Skipped
from headwater.acceptance.rows import Rows, rows_of
from headwater.acceptance.shared import once

if TYPE_CHECKING:
    from headwater.acceptance.connector import Connector
    from headwater.acceptance.proxy import Proxy, Request, Rule
    from headwater.acceptance.streams import Configured


@dataclass
class WebRun:
    """A read behind the proxy.

    :ivar seen: the requests that went through.
    :ivar rules: what went wrong.
    """

    recording: Recording
    seen: Sequence[Seen]
    rules: Sequence[Rule] = field(default_factory=list)

    @property
    def happened(self) -> int:
        """How often something went wrong."""
        return sum(rule.happened for rule in self.rules)


class Web:
    """Reads behind the proxy. They share one tape."""

    def __init__(self, connector: Connector) -> None:
        self.connector = connector
        self.sessions: list[Session] = []

    @once
    def proxy(self) -> Proxy:
        """The proxy."""
        try:
            import cryptography  # noqa: F401
        except ImportError:
            raise Skipped("the proxy needs the extra: pip install headwater[acceptance].") from None
        from headwater.acceptance.proxy import Proxy

        folder = self.connector.folder / "proxy"
        folder.mkdir(exist_ok=True)
        found = Proxy(folder, self.connector.settings.trust)
        self.connector.closing.callback(found.close)
        return found

    def read(
        self,
        catalog: Configured,
        states: Sequence[Mapping[str, Any]] | None = None,
        *,
        rules: Sequence[Rule] = (),
        replay: bool = True,
        told: Callable[[Seen], None] | None = None,
        what: str,
        **how: Any,
    ) -> WebRun:
        """One ``read`` behind the proxy.

        :param told: called with each request.
        """

        def run(environment: Mapping[str, str]) -> Recording:
            return self.connector.read(catalog, states, environment=environment, what=what, **how)

        return self._through(run, Session(rules, replay, told))

    def discover(self, rules: Sequence[Rule], *, what: str) -> WebRun:
        """One ``discover`` behind the proxy."""
        words = ("discover", "--config", str(self.connector.config_file))

        def run(environment: Mapping[str, str]) -> Recording:
            return self.connector.run(*words, environment=environment, what=what)

        return self._through(run, Session(rules))

    def _through(self, run: Callable[[Mapping[str, str]], Recording], session: Session) -> WebRun:
        self.sessions.append(session)
        with self.proxy.session(session) as environment:
            found = run(environment)
        found.proxied = True
        for seen in session.seen:
            if seen.fault is not None:
                found.events.append((max(0.0, seen.time - found.began), f"{seen.fault}: {seen.request.path}"))
        return WebRun(found, session.seen, session.rules)

    @once
    def base(self) -> WebRun:
        """A read of everything, recorded.

        :raises Skipped: the proxy saw nothing, or the read fails behind it.
        """
        found = self.read(self.connector.streams, replay=False, what="behind the proxy")
        if not any(seen.status for seen in found.seen):
            raise Skipped("it asks for nothing through HTTP_PROXY: it reads no HTTP, or does not heed the variable.")
        if found.recording.code != 0:
            error = next((str(error.get("message")) for _, error in found.recording.traces("error")), "")
            raise Skipped(
                f"behind the proxy the read {found.recording.ending}: {error or 'does it trust SSL_CERT_FILE?'}"
            )
        return found

    @once
    def rows(self) -> dict[str, Rows]:
        """The records of that read."""
        return rows_of(self.base.recording, self.connector.streams, self.connector.settings.ignored_fields)

    @property
    def requests(self) -> list[Request]:
        """What that read asked for, where it was answered with JSON, in order."""
        found = []
        for seen in self.base.seen:
            answer = self.proxy.tape.find(seen.request, 0)
            if answer is not None and answer.status == 200 and "json" in answer.header("content-type"):
                found.append(seen.request)
        return found

    def missing(self, run: WebRun, but: str = "") -> dict[str, int]:
        """How many records of the recorded read each stream does not have in another one."""
        rows = rows_of(run.recording, self.connector.streams, self.connector.settings.ignored_fields)
        counts = {name: self.rows[name].keys.missing(rows[name].keys).count for name in self.connector.streams}
        return {name: count for name, count in counts.items() if count and name != but}


def to(urls: set[str]) -> Callable[[Request], bool]:
    """Requests of these URLs, without their queries."""
    return lambda request: request.url.partition("?")[0] in urls
