"""Findings over many cases, kept right: those of the persons, months and pairs of reports that something has changed for."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from casetrail.domain.codes import TokenKind
from casetrail.domain.detectors.answering import same_answer
from casetrail.domain.detectors.comparing import convenient_code, late_entries, rubber_stamp
from casetrail.domain.detectors.counting import Person
from casetrail.domain.detectors.following import FARTHEST, Of
from casetrail.domain.detectors.judging import Judge, there
from casetrail.domain.detectors.loading import bulk_handover, overloaded, too_many_new
from casetrail.domain.detectors.machines import Beating, Machines
from casetrail.domain.detectors.merging import astray, away, merged_astray, merged_away, merged_unseen, unseen
from casetrail.domain.detectors.owing import merged_unheard, merged_unmet, unheard, unmet
from casetrail.domain.detectors.repeating import LATEST, again, reported_again
from casetrail.domain.detectors.survey import end_of_month, months_before
from casetrail.domain.detectors.traces import Recognised, Trace
from casetrail.projections.database import Database, in_parts, marks
from casetrail.projections.judgement_tables import BEATING, FINDING
from casetrail.projections.judging import END, beating_row, finding_row, load_beating, load_trace
from casetrail.projections.rows import Row
from casetrail.projections.tallies import BY_DAY, BY_PERSON, Tallies, days, months_between

OF_PERSONS: Final = (overloaded.name, bulk_handover.name, too_many_new.name)
OF_MONTHS: Final = (rubber_stamp.name, convenient_code.name, late_entries.name, same_answer.name)
OF_MERGERS: Final = {
    merged_away.name: away,
    merged_astray.name: astray,
    merged_unseen.name: unseen,
    merged_unheard.name: unheard,
    merged_unmet.name: unmet,
}
OF_REPORTS: Final = (reported_again.name, *OF_MERGERS)
HAS_OTHERS: Final = (
    "EXISTS (SELECT 1 FROM token AS other WHERE other.token = one.token AND other.case_id <> one.case_id)"
)
EVER_MERGED: Final = "SELECT DISTINCT case_id FROM merger ORDER BY case_id"
BEFORE: Final = """
SELECT case_id FROM token WHERE token = ? AND (known_at, case_id) < (?, ?) ORDER BY known_at DESC, case_id DESC LIMIT ?
"""
AFTER: Final = (
    "SELECT case_id FROM token WHERE token = ? AND (known_at, case_id) > (?, ?) ORDER BY known_at, case_id LIMIT ?"
)


class Shared(NamedTuple):
    """A token of a case that another has, too."""

    case_id: str
    token: bytes
    known_at: int

    @property
    def recognised(self) -> Recognised:
        """The token with whom or what it stands for."""
        kind, _, value = self.token.partition(b":")
        return TokenKind(kind.decode()), value


class ManyJudge:
    """Judges what is counted over many cases."""

    def __init__(self, database: Database, judge: Judge) -> None:
        self._database, self.judge = database, judge
        self._tallies: dict[str, Tallies] = {}

    def tallies(self, agency: str) -> Tallies:
        """The counts of an agency's cases."""
        if agency not in self._tallies:
            self._tallies[agency] = Tallies(self._database, agency)
        return self._tallies[agency]

    # --- what one person is given ---

    def of_person(self, agency: str, person: Person) -> list[Row]:
        """The findings about what one person is given."""
        survey = self.tallies(agency).of_person(person)
        return [finding_row(one, agency) for one in self.judge.of_survey(survey, OF_PERSONS, END)]

    def replace_person(self, agency: str, person: Person, rows: Sequence[Row]) -> None:
        """Put these findings in the place of those there were."""
        self._database.run(
            f"DELETE FROM finding WHERE subject = ? AND detector IN ({marks(OF_PERSONS)}) AND agency = ? AND unit = ?",  # noqa: S608
            (person.id, *OF_PERSONS, agency, person.unit),
        )
        self.write(rows)

    def persons_of(self, agency: str, since: int) -> list[Person]:
        """Who was given a case, or lost one, on a day or later."""
        rows = self._database.rows(
            f"SELECT DISTINCT unit, person FROM counted WHERE agency = ? AND day >= ? AND {BY_PERSON}",  # noqa: S608
            (agency, since),
        )
        return [Person(*row) for row in rows]

    # --- what is compared, month by month ---

    def of_month(self, agency: str, month: str) -> list[Row]:
        """The findings about a month, by comparison with those before it."""
        survey = self.tallies(agency).of_month(month, self._before(agency, month))
        return [finding_row(one, agency) for one in self.judge.of_survey(survey, OF_MONTHS, END)]

    def replace_month(self, agency: str, month: str, rows: Sequence[Row]) -> None:
        """Put these findings in the place of those there were."""
        self._database.run(
            f"DELETE FROM finding WHERE agency = ? AND month = ? AND detector IN ({marks(OF_MONTHS)}) "  # noqa: S608
            "AND about <> 'case'",
            (agency, month, *OF_MONTHS),
        )
        self.write(rows)

    def _before(self, agency: str, month: str) -> list[str]:
        """The months that a month is compared with."""
        standards = [
            self.judge.settings(agency, name)(end_of_month(month)) for name in (convenient_code.name, late_entries.name)
        ]
        most = max(standard.number("months") for standard in standards)
        return [months_before(month, number) for number in range(1, most + 1)]

    def months_since(self, agency: str, first: str) -> list[str]:
        """The months from one on in which there is anything to judge."""
        rows = self._database.rows(
            f"SELECT max(day) FROM counted WHERE agency = ? AND {BY_DAY}",  # noqa: S608  (fixed names)
            (agency,),
        )
        last = rows[0][0]
        if last is None:
            return [first]
        return list(dict.fromkeys([first, *months_between(days(end_of_month(first).date()), last)]))

    def first_month(self, agency: str) -> str | None:
        """The first month in which there is anything to judge."""
        rows = self._database.rows(
            f"SELECT min(day) FROM counted WHERE agency = ? AND {BY_DAY}",  # noqa: S608  (fixed names)
            (agency,),
        )
        return None if rows[0][0] is None else next(iter(months_between(rows[0][0], rows[0][0])))

    # --- who is reported again ---

    def reports(self, case_ids: Collection[str]) -> None:
        """Judge anew whether these cases were reported again or go on nowhere, and whether they report others again.

        So are those judged that were merged into them: what comes of these may be otherwise now.
        """
        merged = self._merged_into(case_ids)
        for some in in_parts(sorted(case_ids)):
            shared = self._shared(some)
            before = {other for one in shared for other in self._beside(one, BEFORE)}
            self._reported_again(sorted({*some, *before}))
        self._reported_again(sorted(merged.difference(case_ids)))
        # of the cases themselves all are looked at: by another policy, one may be no longer screened out as known
        self._merged(sorted(merged.union(case_ids)))

    def _reported_again(self, case_ids: Sequence[str]) -> None:
        """Judge anew whether these cases were reported again."""
        for some in in_parts(case_ids):
            self._database.run(
                f"DELETE FROM finding WHERE subject IN ({marks(some)}) AND detector = ?",  # noqa: S608
                (*some, reported_again.name),
            )
            self.write(self.of_reports(some))

    def of_reports(self, case_ids: Sequence[str]) -> list[Row]:
        """The findings that these cases were reported again."""
        pairs: defaultdict[tuple[str, str], list[Recognised]] = defaultdict(list)
        for one in self._shared(case_ids):
            for other in self._beside(one, AFTER):
                pairs[one.case_id, other].append(one.recognised)
        traces = self._traces({case_id for pair in pairs for case_id in pair})
        of = self._finder(traces)
        found = [self._again(traces[earlier], traces[new], pairs[earlier, new], of) for earlier, new in sorted(pairs)]
        return [row for row in found if row is not None]

    def _again(self, earlier: Trace, new: Trace, shared: Collection[Recognised], of: Of) -> Row | None:
        standard = self.judge.settings(earlier.agency, reported_again.name)(new.known_at)
        tokens = [token for token in new.tokens if token in shared]
        found = None if standard.off else again(earlier, new, tokens, of, standard, END)
        return None if found is None else finding_row(found, earlier.agency)

    def _shared(self, case_ids: Sequence[str]) -> list[Shared]:
        """The tokens of these cases that another has, too."""
        rows = self._database.rows(
            f"SELECT case_id, token, known_at FROM token AS one WHERE case_id IN ({marks(case_ids)}) AND {HAS_OTHERS}",  # noqa: S608
            case_ids,
        )
        return [Shared(case_id, bytes(token), known_at) for case_id, token, known_at in rows]

    def _beside(self, one: Shared, side: str) -> list[str]:
        """The cases with the same token that were reported next before, or after, as many as are compared."""
        rows = self._database.rows(side, (one.token, one.known_at, one.case_id, LATEST))
        return [case_id for (case_id,) in rows]

    def _traces(self, case_ids: Collection[str]) -> dict[str, Trace]:
        found = {}
        for some in in_parts(sorted(case_ids)):
            rows = self._database.rows(
                f"SELECT case_id, trace FROM trace WHERE case_id IN ({marks(some)})",  # noqa: S608
                some,
            )
            found.update({case_id: load_trace(text) for case_id, text in rows})
        return found

    def _finder(self, traces: dict[str, Trace]) -> Of:
        """Gives traces: those that are read already, and others."""
        missing: set[str] = set()

        def of(case_id: str) -> Trace | None:
            if case_id not in traces and case_id not in missing:
                traces.update(self._traces([case_id]))
                missing.add(case_id)
            return traces.get(case_id)

        return of

    # --- who is merged away ---

    def _merged_into(self, case_ids: Collection[str]) -> set[str]:
        """The cases that were ever merged into some, or on into them."""
        found: set[str] = set()
        new = set(case_ids)
        for _ in range(FARTHEST):
            new = self._merged_straight_into(new) - found
            if not new:
                break
            found |= new
        return found

    def _merged_straight_into(self, case_ids: Collection[str]) -> set[str]:
        found: set[str] = set()
        for some in in_parts(sorted(case_ids)):
            rows = self._database.rows(f"SELECT case_id FROM merger WHERE merged_into IN ({marks(some)})", some)  # noqa: S608
            found |= {case_id for (case_id,) in rows}
        return found

    def _merged(self, case_ids: Sequence[str]) -> None:
        """Judge anew what comes of those of these cases that were ever merged, or screened out as known already."""
        traces: dict[str, Trace] = {}
        of = self._finder(traces)
        for some in in_parts(case_ids):
            self._database.run(
                f"DELETE FROM finding WHERE subject IN ({marks(some)}) AND detector IN ({marks(OF_MERGERS)})",  # noqa: S608
                (*some, *OF_MERGERS),
            )
            merged = self._database.rows(f"SELECT DISTINCT case_id FROM merger WHERE case_id IN ({marks(some)})", some)  # noqa: S608
            traces.update(self._traces([case_id for (case_id,) in merged]))
            for (case_id,) in sorted(merged):
                if (trace := traces.get(case_id)) is not None:
                    for name, find in OF_MERGERS.items():
                        found = find(trace, of, self.judge.settings(trace.agency, name), END)
                        self.write(finding_row(one, trace.agency) for one in there(found))

    # --- machines ---

    def machines(self, new: Iterable[Beating]) -> None:
        """Take in heartbeats, and judge the machines of their kinds anew."""
        machines = Machines()
        machines.add([load_beating(row) for row in self._database.rows("SELECT * FROM beating")])
        machines.add(list(new))
        self._database.run("DELETE FROM beating")
        rows = [beating_row(one) for _, some in sorted(machines.of.items()) for one in some]
        self._database.run_many(BEATING.insert(), rows)
        self._database.run("DELETE FROM finding WHERE about = 'machine'")
        self.write([finding_row(one, "") for one in self.judge.machines(machines, END)])

    # --- from zero ---

    def agencies(self) -> list[str]:
        """The agencies of whose cases anything is counted."""
        return [agency for (agency,) in self._database.rows("SELECT DISTINCT agency FROM counted ORDER BY agency")]

    def sharing(self) -> Iterator[list[str]]:
        """The cases that share a token with another, some at a time."""
        last = ""
        while True:
            rows = self._database.rows(
                f"SELECT DISTINCT case_id FROM token AS one WHERE case_id > ? AND {HAS_OTHERS} ORDER BY case_id LIMIT 500",  # noqa: S608
                (last,),
            )
            if not rows:
                return
            yield [case_id for (case_id,) in rows]
            last = rows[-1][0]

    def judge_mergers(self) -> None:
        """Judge all cases that were ever merged, or screened out as known already."""
        self._merged([case_id for (case_id,) in self._database.rows(EVER_MERGED)])

    def write(self, rows: Iterable[Row]) -> None:
        """Write findings."""
        self._database.run_many(FINDING.upsert(), list(rows))
