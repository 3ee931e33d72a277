"""The ledger against a model that keeps everything and looks at all of it."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headwater.bridge.acks import Ledger
from headwater.protocol.messages import State, StreamDescriptor

A, B, C = StreamDescriptor("a"), StreamDescriptor("b"), StreamDescriptor("b", "other")
STREAMS = st.sampled_from([A, B, C])


def of(stream: StreamDescriptor, at: int) -> State:
    return State.of_stream(stream, {"at": at})


def whole(at: int, kind: str = "GLOBAL") -> State:
    return State({"type": kind, "global": {"at": at}})


class LedgerMachine(RuleBasedStateMachine):
    """``events`` is everything that happened: ("batch", number, stream) and ("state", at, stream or None)."""

    kinds = ("STREAM",)

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.events: list[tuple[str, int, StreamDescriptor | None]] = []
        self.open: list[int] = []
        self.acked: set[int] = set()
        self.refused: set[int] = set()
        self.at = 0
        self.released: list[int] = []

    def free(self, also: int | None = None) -> set[int]:
        """Every state for which all batches before it are acknowledged: of its stream, or of all."""
        acked = {*self.acked, also}
        found = set()
        for index, (kind, at, stream) in enumerate(self.events):
            before = self.events[:index]
            if kind == "state" and all(
                number in acked for what, number, its in before if what == "batch" and (stream is None or its == stream)
            ):
                found.add(at)
        return found

    def newest(self, states: set[int]) -> dict[StreamDescriptor | None, int]:
        return {stream: at for kind, at, stream in self.events if kind == "state" and at in states}

    def check(self, states: list[State], before: set[int]) -> None:
        fresh = self.free() - before
        ats = [int((s.stream_state or s.raw.get("global"))["at"]) for s in states]
        assert set(ats) <= fresh, "a state was released too early, or twice"
        assert self.newest(set(ats)) == self.newest(fresh), "the newest of a stream was not released"
        by_stream = {at: stream for kind, at, stream in self.events if kind == "state"}
        for stream in set(by_stream.values()):
            ours = [at for at in self.released + ats if by_stream[at] == stream]
            assert ours == sorted(ours), "out of order"
        self.released += ats

    @rule(stream=STREAMS)
    def batch(self, stream: StreamDescriptor) -> None:
        number = self.ledger.batch(stream)
        self.events.append(("batch", number, stream))
        self.open.append(number)

    @rule(stream=STREAMS, data=st.data())
    def state(self, stream: StreamDescriptor, data: st.DataObject) -> None:
        before = self.free()
        self.at += 1
        kind = data.draw(st.sampled_from(self.kinds))
        self.events.append(("state", self.at, stream if kind == "STREAM" else None))
        state = of(stream, self.at) if kind == "STREAM" else whole(self.at, kind)
        self.check(self.ledger.state(state), before)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.open))
        before = self.free()
        covered = self.ledger.covered(number)
        self.open.remove(number)
        self.acked.add(number)
        released = self.ledger.ack(number)
        assert covered == released
        self.check(released, before)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.open))
        self.open.remove(number)
        self.refused.add(number)
        self.ledger.refuse(number)

    @invariant()
    def bounded(self) -> None:
        assert len(self.ledger) == len(self.open)
        lanes = [*self.ledger._lanes.values(), self.ledger._all]
        assert sum(len(lane.waiting) for lane in lanes) <= 2 * len(self.open)


class GlobalMachine(LedgerMachine):
    kinds = ("GLOBAL", "LEGACY")


for machine in (LedgerMachine, GlobalMachine):
    machine.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestStreamStates = LedgerMachine.TestCase
TestGlobalStates = GlobalMachine.TestCase


def test_a_state_before_any_batch_is_free() -> None:
    assert Ledger().state(of(A, 1)) == [of(A, 1)]


def test_out_of_order_acknowledgements_wait_for_the_oldest() -> None:
    ledger = Ledger()
    first = ledger.batch(A)
    ledger.state(of(A, 1))
    second = ledger.batch(A)
    ledger.state(of(A, 2))
    assert ledger.ack(second) == []
    assert ledger.ack(first) == [of(A, 2)]  # the older one is superfluous


def test_another_stream_is_not_waited_for_but_by_a_global_state() -> None:
    ledger = Ledger()
    a, b = ledger.batch(A), ledger.batch(B)
    assert ledger.state(of(A, 1)) == []
    assert ledger.state(whole(2)) == []
    assert ledger.ack(a) == [of(A, 1)]
    assert ledger.ack(b) == [whole(2)]


def test_a_refusal_blocks_its_stream_and_every_later_global_state() -> None:
    ledger = Ledger()
    a, b = ledger.batch(A), ledger.batch(B)
    ledger.state(of(A, 1))
    ledger.state(of(B, 1))
    ledger.refuse(a)
    assert ledger.ack(b) == [of(B, 1)]
    assert ledger.state(of(A, 2)) == []
    assert ledger.state(whole(3)) == []


def test_mixed_types_never_release_a_later_state_before_an_earlier_one() -> None:
    ledger = Ledger()
    a, b = ledger.batch(A), ledger.batch(B)
    ledger.state(whole(1))
    ledger.state(of(A, 2))
    assert ledger.ack(a) == []
    assert ledger.ack(b) == [whole(1), of(A, 2)]


def test_a_batch_is_acknowledged_once() -> None:
    ledger = Ledger()
    number = ledger.batch(A)
    ledger.ack(number)
    for again in (ledger.ack, ledger.refuse, ledger.covered):
        with pytest.raises(KeyError):
            again(number)
