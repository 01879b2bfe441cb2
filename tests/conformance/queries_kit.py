"""What the questions to the views answer, whichever database they live in: each asked of a small given history."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain.actions import Actor, Body
from casetrail.domain.assignment import Acknowledged, Assigned
from casetrail.domain.closure import ClosureApproved, ClosureRequested
from casetrail.domain.codes import (
    Disposition,
    Offence,
    ReferralReason,
    Role,
    ScreeningReason,
    SealedName,
    Service,
    Step,
    SuspensionReason,
)
from casetrail.domain.intake import OffenceAlleged, ScreenedIn, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken
from casetrail.domain.memory import load_case
from casetrail.domain.partner_ledger import Part
from casetrail.domain.referral import ReferralAccepted, ReferralCompleted, ReferralDeclined, ReferralMade
from casetrail.domain.sealed import SealedField
from casetrail.domain.status import Status
from casetrail.domain.suspension import Suspended
from casetrail.eventlog.codec import decode_event, encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Topic
from casetrail.projections import partner, queries
from casetrail.projections.case_store import CaseStore
from casetrail.projections.database import Database, open_database
from casetrail.projections.errors import ViewError
from casetrail.projections.queries import CaseFilter
from casetrail.projections.rows import OFFENCE_BITS
from tests.actions import (
    CLINIC,
    DETECTIVE,
    INTAKE,
    OTHER_DETECTIVE,
    OTHER_SERGEANT,
    SERGEANT,
    action,
    report,
)
from tests.conformance.views_kit import UNHURRIED, Fresh, all_rows, assert_same, follow_to_end, make_views
from tests.histories import PastClock, record_all

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CENTER = Actor("cac.lee", "cac", Role.PARTNER)
RATIONALE = (SealedField(SealedName.RATIONALE, bytes(32), bytes(12), b"sealed"),)
TWO_OFFENCES = (OffenceAlleged(Offence.FONDLING), OffenceAlleged(Offence.INTIMIDATION))
SCREENED = (ScreenedIn(ScreeningReason.ALLEGES_CRIME), INTAKE)

Doings = tuple[tuple[Body, Actor] | tuple[Body, Actor, timedelta], ...]

CASES: dict[str, tuple[timedelta, Doings]] = {
    "received": (0 * DAY, ((report(), INTAKE),)),
    "worked": (
        1 * DAY,
        (
            (report(unit="north", offences=TWO_OFFENCES), INTAKE),
            SCREENED,
            (Assigned(DETECTIVE.id), SERGEANT),
            (Acknowledged(), DETECTIVE),
            (InvestigativeStepTaken(Step.SCENE_VISITED), DETECTIVE, 20 * DAY),
        ),
    ),
    "free": (2 * DAY, ((report(unit="south", agency="county-sheriff"), INTAKE), SCREENED)),
    "closed": (
        3 * DAY,
        (
            (report(), INTAKE),
            SCREENED,
            (Assigned(DETECTIVE.id), SERGEANT),
            (ClosureRequested(Disposition.INACTIVATED, sealed=RATIONALE), SERGEANT),
            (ClosureApproved(), OTHER_SERGEANT),
        ),
    ),
    "suspended": (
        33 * DAY,
        (
            (report(unit="north"), INTAKE),
            SCREENED,
            (Assigned(OTHER_DETECTIVE.id), SERGEANT),
            (Suspended(SuspensionReason.AWAITING_LAB, MONDAY + 60 * DAY), SERGEANT),
        ),
    ),
    "away": (34 * DAY, ((report(), INTAKE), (ScreenedOut(ScreeningReason.NOT_A_CRIME), INTAKE))),
    "asked": (
        35 * DAY,
        (
            (report(unit="north"), INTAKE),
            (ReferralMade("r1", Service.FORENSIC_INTERVIEW, "cac"), SERGEANT),
            (ReferralMade("r2", Service.MEDICAL_EVALUATION, "clinic", acute=True), SERGEANT),
            (ReferralMade("r3", Service.MENTAL_HEALTH, "cac"), SERGEANT),
            (ReferralAccepted("r1"), CENTER, DAY),
            (ReferralCompleted("r1", holder_attended=False), CENTER, 2 * DAY),
            (ReferralDeclined("r2", ReferralReason.NO_CAPACITY), CLINIC, DAY),
        ),
    ),
}
"""When each case was received after ``MONDAY``, and what happened: by whom, and how long after that."""

FILTERS: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({"status": ["unassigned"]}, ["free"]),
    ({"status": ["closed", "suspended"]}, ["closed", "suspended"]),
    ({"status": ["merged"]}, []),
    ({"status": ["unreported"]}, ["unheard", "~stray.0"]),
    ({"status": ["unreported", "closed"]}, ["closed", "unheard", "~stray.0"]),
    ({"offence_bits": OFFENCE_BITS[Offence.INTIMIDATION]}, ["worked"]),
    ({"offence_bits": OFFENCE_BITS[Offence.FONDLING] | OFFENCE_BITS[Offence.INCEST]}, ["worked"]),
    ({"offence_bits": OFFENCE_BITS[Offence.PORNOGRAPHY]}, []),
    ({"holder": "det.01"}, ["worked", "closed"]),
    ({"holder": "det.01", "open_only": True}, ["worked"]),
    ({"nobody": True}, ["received", "free", "asked"]),
    ({"unit": "north"}, ["worked", "suspended", "asked"]),
    ({"agency": "county-sheriff"}, ["free"]),
    ({"agency": "county-sheriff", "unit": "north"}, []),
    ({"open_only": True}, ["received", "worked", "free", "suspended", "asked"]),
    ({"received_before": MONDAY + DAY}, ["received"]),
    ({"received_after": MONDAY + 34 * DAY}, ["away", "asked"]),
    ({"received_after": MONDAY + DAY, "received_before": MONDAY + 3 * DAY}, ["worked", "free"]),
    ({"quiet_since": MONDAY + 20 * DAY}, ["received", "free"]),
    ({"quiet_since": MONDAY + 21 * DAY + timedelta(seconds=1)}, ["received", "worked", "free"]),
    ({"overdue_at": MONDAY + DAY}, []),
    ({"overdue_at": MONDAY + DAY + timedelta(microseconds=1)}, ["received"]),
    ({"overdue_at": MONDAY + 34 * DAY}, ["received", "worked", "free"]),
)
"""Which cases fit, in the order of receipt."""

SORTED: tuple[tuple[str, bool, list[str]], ...] = (
    ("received", True, ["asked", "away", "suspended", "closed", "free", "worked", "received"]),
    ("case", False, ["asked", "away", "closed", "free", "received", "suspended", "worked"]),
    ("case", True, ["worked", "suspended", "received", "free", "closed", "away", "asked"]),
    ("act", False, ["worked", "asked", "away", "closed", "free", "received", "suspended"]),
    ("act", True, ["worked", "asked", "away", "closed", "free", "received", "suspended"]),
    ("due", False, ["received", "free", "worked", "asked", "suspended", "away", "closed"]),
    ("due", True, ["suspended", "asked", "worked", "free", "received", "away", "closed"]),
    ("recorded", False, ["received", "free", "closed", "worked", "suspended", "away", "asked"]),
)
"""All cases by what, whether the latest or largest comes first, and their order then."""

HOSTILE = (
    "'", '"', "' OR '1'='1", "x'; DROP TABLE case_status; --", "%", "%s", "%(x)s", "?", "$1", "_", "*", ";", "--",
    "\\", "\\'", "/*", "received' UNION SELECT 1 --", "", " ", "\n", "\x00", "a\x00b", "\ud800", "é" * 9000, "🙂",
    "case-1; COMMIT;", "NULL", "{0}", "${HOME}",
)  # fmt: skip


def entries(case_id: str) -> list[tuple[datetime, Entry]]:
    """The submissions of one of the ``CASES``."""
    start, doings = CASES[case_id]
    return [
        (at, Entry(case_id.encode(), encode_action(action(doing[0], doing[1], case_id, at))))
        for doing in doings
        for at in (MONDAY + start + (doing[2] if len(doing) == 3 else timedelta()),)
    ]


def ids(database: Database, **which: Any) -> list[str]:
    """The cases that fit."""
    return [row["case_id"] for row in queries.cases(database, CaseFilter(**which))]


def ask_everything(database: Database, text: str) -> None:
    """Ask every question for a text that is nowhere: nothing is found, or it is refused as no text."""
    questions: tuple[Callable[[], object], ...] = (
        lambda: ids(database, holder=text),
        lambda: ids(database, unit=text),
        lambda: ids(database, agency=text),
        lambda: ids(database, status=[text]),
        lambda: queries.case(database, text) or [],
        lambda: queries.folded(database, text) or [],
        lambda: queries.timeline(database, text),
        lambda: queries.referrals(database, text, (), 9),
        lambda: queries.referrals(database, None, (text,), 9),
        lambda: list(partner.pages(database, partner.Wanted(text))),
        lambda: list(partner.pages(database, partner.Wanted("cac", case_id=text))),
    )
    for ask in questions:
        try:
            assert ask() == [], text
        except ViewError as error:
            assert "no text in a database" in str(error)
            assert not text.isprintable()


class QueriesKit:
    """The answers."""

    @pytest.fixture
    def fresh(self) -> Fresh:
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EmbeddedLog]:
        clock = PastClock()
        with EmbeddedLog.create(tmp_path / "log", "given", 2, clock) as log:
            told = sorted((one for case_id in CASES for one in entries(case_id)), key=lambda one: one[0])
            nowhere = action(Assigned(DETECTIVE.id), SERGEANT, "unheard")
            told += [(told[-1][0], Entry(b"unheard", encode_action(nowhere))), (told[-1][0], Entry(b"?", b"?", 0))]
            for at, entry in told:
                clock.now = at + timedelta(minutes=3)
                log.append(Topic.ACTIONS, [entry])
            store = CaseStore(tmp_path / "state", log.name)
            record_all(log, store)
            store.close()
            yield log

    @pytest.fixture
    def url(self, fresh: Fresh, log: EmbeddedLog) -> str:
        url = fresh()
        make_views(url, log)
        follow_to_end(url, log)
        return url

    @pytest.fixture
    def database(self, url: str) -> Iterator[Database]:
        with closing(open_database(url)) as database:
            yield database

    # --- cases ---

    def test_all_cases_are_listed_by_receipt(self, database: Database) -> None:
        assert ids(database) == ["received", "worked", "free", "closed", "suspended", "away", "asked"]

    def test_a_case_is_listed_with_what_is_due(self, database: Database) -> None:
        assert queries.cases(database, CaseFilter(status=["received"], limit=1)) == [
            {
                "case_id": "received", "status": "received", "holder": None, "unit": "child-crimes",
                "agency": "metro-pd", "offences": ["11A"], "received_at": MONDAY, "last_act_at": None, "contacts": 0,
                "steps": 0, "clock": "first_response", "owed_by": "child-crimes/intake", "due_at": MONDAY + DAY,
            }
        ]  # fmt: skip

    def test_filters(self, database: Database) -> None:
        by_due = ids(database, sort="due", status=list(Status))
        for which, expected in FILTERS:
            assert ids(database, **which) == expected, which
            assert ids(database, **which, sort="due") == sorted(expected, key=by_due.index), which

    def test_sorts_put_what_has_no_such_moment_last(self, database: Database) -> None:
        for sort, descending, expected in SORTED:
            assert ids(database, sort=sort, descending=descending) == expected, sort

    def test_limits(self, database: Database) -> None:
        assert ids(database, limit=2) == ["received", "worked"]
        assert ids(database, limit=0) == []

    def test_one_case_with_all_that_is_known(self, database: Database) -> None:
        found = queries.case(database, "closed")
        assert found is not None
        known = {name: found[name] for name in ("status", "disposition", "clearance", "closed_at", "events", "clock")}
        assert known == {
            "status": "closed", "disposition": "inactivated", "clearance": "N", "closed_at": MONDAY + 3 * DAY,
            "events": 5, "clock": None,
        }  # fmt: skip
        assert len(found["last_hash"]) == 64
        assert found["immediate_danger"] is False
        assert queries.case(database, "no-such-case") is None

    def test_the_folded_case_is_the_case(self, database: Database) -> None:
        text = queries.folded(database, "worked")
        assert text is not None
        assert load_case("worked", text).facts.steps == 1
        assert queries.folded(database, "no-such-case") is None

    def test_a_timeline_holds_the_stored_bytes_in_order(self, database: Database, log: EmbeddedLog) -> None:
        found = queries.timeline(database, "asked")
        assert [decode_event(event).number for _, _, event in found] == [1, 2, 3, 4, 5, 6, 7]
        for partition, offset, event in found:
            record = log.read_one(Topic.EVENTS, partition, offset)
            assert record is not None
            assert record.value == event
        assert queries.timeline(database, "no-such-case") == []

    def test_refused_attempts_are_in_the_timeline(self, database: Database) -> None:
        ((_, _, event),) = queries.timeline(database, "unheard")
        assert type(decode_event(event).body).__name__ == "ActionRejected"

    # --- counts ---

    def test_who_holds_how_much(self, database: Database) -> None:
        now = MONDAY + 34 * DAY
        assert [tuple(row.values()) for row in queries.holds(database, "holder", now)] == [
            (None, 3, 0, 2, MONDAY + DAY),
            ("det.01", 1, 0, 1, MONDAY + 15 * DAY),
            ("det.02", 1, 1, 0, MONDAY + 60 * DAY),
        ]
        assert [tuple(row.values())[:3] for row in queries.holds(database, "unit", now)] == [
            ("north", 3, 1),
            ("child-crimes", 1, 0),
            ("south", 1, 0),
        ]
        assert [(row["agency"], row["open_cases"]) for row in queries.holds(database, "agency", now)] == [
            ("metro-pd", 4),
            ("county-sheriff", 1),
        ]

    def test_referrals_by_partner(self, database: Database) -> None:
        assert [(row["referral"], row["state"]) for row in queries.referrals(database, None, (), 10)] == [
            ("r1", "completed"), ("r2", "declined"), ("r3", "made"),
        ]  # fmt: skip
        (asked,) = queries.referrals(database, "clinic", (), 10)
        start = MONDAY + 35 * DAY
        assert asked == {
            "case_id": "asked", "referral": "r2", "service": "medical_evaluation", "from_agency": "metro-pd",
            "to_agency": "clinic", "acute": True, "state": "declined", "made_at": start, "answered_at": start + DAY,
            "ended_at": start + DAY,
        }  # fmt: skip
        assert [row["referral"] for row in queries.referrals(database, "cac", ("made", "accepted"), 10)] == ["r3"]
        assert len(queries.referrals(database, None, (), 2)) == 2

    def test_a_partner_finds_its_entries_page_by_page(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        every = [("asked", Part.ASKED, "r1"), ("asked", Part.ASKED, "r3")]
        for size in (1, 2, 200):
            monkeypatch.setattr(partner, "PAGE", size)
            found = partner.pages(database, partner.Wanted("cac"))
            assert [key for page in found for key in page] == every
        assert partner.count(database, "cac") == 2
        asked = MONDAY + 35 * DAY
        for wanted, count in (
            ({"since": asked}, 2), ({"since": asked + DAY}, 0), ({"case_id": "asked"}, 2), ({"case_id": "free"}, 0),
            ({"is_open": True}, 2),
        ):  # fmt: skip
            assert sum(map(len, partner.pages(database, partner.Wanted("cac", **wanted)))) == count, wanted
        # the responsible agency is no partner of its own cases, but of those that it reported to another
        assert list(partner.pages(database, partner.Wanted("metro-pd"))) == [[("free", Part.REPORTED, "R-1")]]

    def test_intake_by_month_unit_and_first_offence(self, database: Database) -> None:
        found = queries.intake(database)
        assert [(row["month"], row["unit"], row["offence"], row["received"]) for row in found] == [
            ("2026-03", "child-crimes", "11A", 2),
            ("2026-03", "north", "11D", 1),
            ("2026-03", "south", "11A", 1),
            ("2026-04", "child-crimes", "11A", 1),
            ("2026-04", "north", "11A", 2),
        ]
        assert found[0] == {
            "month": "2026-03", "unit": "child-crimes", "offence": "11A", "received": 2, "screened_in": 1,
            "screened_out": 0, "assigned": 1, "contacted": 0, "worked": 0, "closed": 1,
        }  # fmt: skip

    def test_intake_of_some_months_units_and_offences(self, database: Database) -> None:
        for which, received in (
            (queries.IntakeFilter(since="2026-04"), 3), (queries.IntakeFilter(until="2026-03"), 4),
            (queries.IntakeFilter("2026-03", "2026-04"), 7), (queries.IntakeFilter("2026-05"), 0),
            (queries.IntakeFilter(unit="north"), 3), (queries.IntakeFilter(unit="north", offences=["11D"]), 1),
            (queries.IntakeFilter(offences=["11A", "11D"]), 7), (queries.IntakeFilter(offences=["09A"]), 0),
        ):  # fmt: skip
            found = queries.intake(database, which)
            assert sum(row["received"] for row in found) == received, which
            assert all(type(row[one]) is int for row in found for one in queries.MEASURES)

    def test_how_many_stand_where(self, database: Database) -> None:
        assert [tuple(row.values()) for row in queries.statuses(database)] == [
            ("received", 2), ("unreported", 2), ("closed", 1), ("investigating", 1), ("screened_out", 1),
            ("suspended", 1), ("unassigned", 1),
        ]  # fmt: skip

    # --- hostile strings ---

    @UNHURRIED
    @given(text=st.text())
    def test_no_string_gets_out_of_its_place(self, database: Database, text: str) -> None:
        ask_everything(database, text)

    def test_no_hostile_string_gets_out_of_its_place(self, database: Database, url: str) -> None:
        before = all_rows(url)
        for text in HOSTILE:
            ask_everything(database, text)
        assert_same(all_rows(url), before)

    def test_names_of_columns_are_never_taken_from_outside(self, database: Database) -> None:
        with pytest.raises(ValueError, match="held by one of holder, unit, agency"):
            queries.holds(database, "case_id; DROP TABLE case_status", MONDAY)
        with pytest.raises(KeyError):
            ids(database, sort="case_id; DROP TABLE case_status")
