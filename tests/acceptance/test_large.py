"""What the suite keeps of large outputs says the same as what it stands for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from headwater.acceptance.prints import SHOWN, Prints
from headwater.acceptance.recording import Recording
from headwater.acceptance.reports.terminal import summary
from headwater.acceptance.results import Outcome, Report
from headwater.acceptance.suite import chosen, run
from tests.acceptance.suite import connector

VALUES = st.lists(st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1)), max_size=60)


def prints(values: list[int]) -> Prints:
    found = Prints()
    for line, value in enumerate(values, 1):
        found.add(value, line)
    return found


@given(VALUES, VALUES, VALUES, st.integers(0, 60))
def test_fingerprints_are_compared_as_sets_are(one: list[int], two: list[int], three: list[int], cut: int) -> None:
    kept = prints(one)
    assert (len(kept), kept.distinct) == (len(one), len(set(one)))
    assert kept.first == (1 if one else None)
    gone = kept.missing(prints(two), prints(three).until(cut))
    wanted = set(one) - set(two) - set(three[:cut])
    assert gone.count == len(wanted)
    assert gone.lines == [line for line, value in enumerate(one, 1) if value in wanted][:SHOWN]
    assert kept.missing().count == len(set(one))
    assert kept.same(prints(two)) == (sorted(one) == sorted(two))
    assert kept.same(prints(sorted(one)))
    again = [line for line, value in enumerate(one, 1) if value in one[: line - 1]]
    assert (kept.repeated(1000), kept.repeated(2)) == (again, again[:2])


def test_of_many_lines_the_index_is_the_same_in_a_file(tmp_path: Path) -> None:
    raw = b"".join(b"%d\n" % number for number in range(120_000)) + b"cut off"
    long = Recording(1, ["read"], ["x"], tmp_path)
    long.stdout.write_bytes(raw)
    for start in range(0, len(raw), 7919):
        long.took(raw[start : start + 7919], float(start))
    ends, times = list(long.ends), list(long.times)
    assert len(ends) == 120_000
    long.done()
    assert (tmp_path / "0001.lines").stat().st_size == 16 * 120_000
    assert (list(long.ends), list(long.times)) == (ends, times)
    assert long.size == len(raw)
    assert long.cut
    assert long.before(ends[70_000]) == 70_001
    lines = list(long.lines(whole=False))
    assert [line.raw for line in lines] == raw.splitlines(keepends=True)
    assert [line.time for line in lines[:-1]] == times


def lean(name: str, folder: Path, *only: str) -> Report:
    (folder / name).mkdir()
    with closing(connector(name, folder / name, config={"size": 200}, trials=2)) as found:
        return run(found, chosen(only), lean=20_000)


CHECKS = ("E", "F", "X1", "X2", "X3", "X4", "X6", "X10", "X14", "X16", "X20", "X21")


def test_what_large_runs_wrote_goes_and_the_verdicts_stay(tmp_path: Path) -> None:
    with closing(connector("correct", tmp_path, config={"size": 200}, trials=2)) as whole:
        wanted = run(whole, chosen(CHECKS))
    found = lean("correct", tmp_path, *CHECKS)
    told = [[(one.id, one.outcome) for one in each.results] for each in (wanted, found)]
    assert told[0] == told[1], "\n".join(summary(found))
    assert not any(one.dropped for one in wanted.recordings)
    gone = [one for one in found.recordings if one.dropped]
    assert len(gone) > 8
    assert not any(one.stdout.exists() for one in gone)
    left = sum(one.stdout.stat().st_size for one in found.recordings if not one.dropped)
    assert left < sum(one.size for one in found.recordings) / 2


def test_what_shows_something_stays(tmp_path: Path) -> None:
    found = lean("After", tmp_path, "F2")
    shown = {id(finding.recording): finding.recording for finding in found.results[0].findings}
    assert shown
    assert all(run is not None and run.stdout.exists() for run in shown.values())
    found = lean("LogsRows", tmp_path, "E24", "X10")
    assert {result.id: result.outcome for result in found.results} == {"E24": Outcome.PASSED, "X10": Outcome.FAILED}
    assert not any(run.dropped for run in found.recordings if run.arguments[0] == "read")
