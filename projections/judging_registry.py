"""What is judged otherwise because of what the registry says now: who has left, in which roles people work, which agencies
there are, and by which policies they are judged."""

from datetime import UTC, datetime
from typing import Final

from casetrail.domain.codes import Disposition
from casetrail.domain.deciding import CLOCK_TOLERANCE
from casetrail.domain.detectors.judging import check_settings
from casetrail.domain.detectors.partnering import ignored_alarm
from casetrail.domain.detectors.passing_on import led_nowhere
from casetrail.domain.detectors.survey import month_of
from casetrail.domain.leaving import Departures
from casetrail.domain.posts import Posts
from casetrail.domain.values import EPOCH
from casetrail.projections.database import Database, in_parts, marks
from casetrail.projections.judging_many import EVER_MERGED, ManyJudge
from casetrail.projections.registry import Registry, default_policy
from casetrail.projections.rows import MICROSECOND, micros
from casetrail.projections.stale import CASE, MONTH, PERSON, REPORT, Stale
from casetrail.projections.tallies import BY_DAY, days

FIRST: Final = datetime.min.replace(tzinfo=UTC)
HELD_SINCE: Final = """
SELECT DISTINCT case_id FROM counted AS given WHERE person = ? AND what = 'given' AND what IN ('given', 'gone')
AND NOT EXISTS (SELECT 1 FROM counted AS gone WHERE gone.case_id = given.case_id AND gone.what = 'gone'
AND gone.person = given.person AND gone.number > given.number AND gone.known_at < ?)
"""


class RegistryChange:
    """What lies between two states of the registry. ``many``: judges by the later one."""

    def __init__(self, database: Database, many: ManyJudge, before: Registry, now: Registry) -> None:
        self._database, self._many, self._before, self._now = database, many, before, now
        self.policies = changed_policies(before, now)
        """Which agencies are judged by another policy, and since when."""

    def stale(self) -> set[Stale]:
        """What must be judged anew."""
        found: set[Stale] = set()
        cases: set[str] = set()
        for person, since in changed_departures(self._before.departures, self._now.departures).items():
            cases |= self._held_since(person, since)
        changed = changed_posts(self._before.posts, self._now.posts)
        if changed is not None:
            cases |= self._alive_since(changed)
        if agencies := changed_agencies(self._before, self._now):
            cases |= self._referred_to(agencies) | self._passed_on()
        cases |= self._imported_since(changed_use(self._before, self._now))
        for agency, since in self.policies.items():
            cases |= self._by_policy(agency, since)
            day = since.date().replace(day=1)
            found |= {Stale(PERSON, agency, *one) for one in self._many.persons_of(agency, days(day))}
            found |= {Stale(MONTH, agency, "", one) for one in self._many.months_since(agency, month_of(day))}
            rows = self._database.rows("SELECT case_id FROM trace WHERE known_at >= ?", (micros(since),))
            rows += self._database.rows(EVER_MERGED)
            found |= {Stale(REPORT, "", "", case_id) for (case_id,) in rows}
        return found | {Stale(CASE, "", "", case_id) for case_id in cases}

    def _referred_to(self, agencies: set[str]) -> set[str]:
        """The cases in which one of these agencies was asked for something."""
        found: set[str] = set()
        for some in in_parts(sorted(agencies)):
            statement = f"SELECT DISTINCT case_id FROM referral WHERE to_agency IN ({marks(some)})"  # noqa: S608
            rows = self._database.rows(statement, some)
            found |= {case_id for (case_id,) in rows}
        if not self._before.policies.agencies:  # until then each was taken at its word
            found |= {case_id for (case_id,) in self._database.rows("SELECT DISTINCT case_id FROM referral")}
        return found

    def _imported_since(self, since: datetime | None) -> set[str]:
        """The cases, whoever's, into which anything may have been imported then or later."""
        if since is None:
            return set()
        rows = self._database.rows(
            "SELECT case_id FROM case_status WHERE imported = 1 AND last_recorded_at >= ?", (_tolerant(since),)
        )
        return {case_id for (case_id,) in rows}

    def _passed_on(self) -> set[str]:
        """The cases that ended because another agency was said to have them: the registry says whether it investigates."""
        policies = [default_policy(), *(policy for _, policy in self._now.adopted)]
        standards = [check_settings(policy)[led_nowhere.name] for policy in policies]
        keys = {f"Disposition:{Disposition.TRANSFERRED}"}
        for one in standards:
            keys |= {f"ScreeningReason:{code}" for code in one.codes("elsewhere")}
            keys |= {f"Disposition:{code}" for code in one.codes("taken")}
        statement = f"SELECT DISTINCT case_id FROM counted WHERE what = 'ended' AND {BY_DAY} AND key IN ({marks(keys)})"  # noqa: S608
        return {case_id for (case_id,) in self._database.rows(statement, sorted(keys))}

    def _by_policy(self, agency: str, since: datetime) -> set[str]:
        """The cases that a policy of an agency may judge otherwise from a moment on."""
        found = self._of_agency(agency, since)
        if self._alarms_changed(agency, since):
            found |= self._owing_after(agency, since)
        for person, left in self._now.departures.items():
            if any(moment >= since for one in left for moment in (one.at, one.back_at or one.at)):
                found |= self._held_since(person, min(one.at for one in left))
        return found

    def _alarms_changed(self, agency: str, since: datetime) -> bool:
        """Whether alarms are judged otherwise from a moment on: by when a deadline is due, not by when anything happened."""
        if since == FIRST:
            return True
        settings = self._many.judge.settings(agency, ignored_alarm.name)
        standards = [settings(moment) for moment in (since - MICROSECOND, *self._adoptions(agency, since))]
        return any(not one.is_like(standards[0]) for one in standards)

    def _adoptions(self, agency: str, since: datetime) -> list[datetime]:
        """From when on an agency's policies are in force, of those that are from a moment on."""
        adopted = [one.since for one, _ in self._now.adopted if one.actor.agency == agency]
        return [moment for moment in adopted if moment >= since]

    def _owing_after(self, agency: str, since: datetime) -> set[str]:
        """The cases of an agency in which something is due then or later, unless it is done."""
        rows = self._database.rows(
            "SELECT DISTINCT case_id FROM clock WHERE agency = ? AND due_at >= ? AND (ended_at IS NULL OR ended_by IS NULL)",
            (agency, micros(since)),
        )
        return {case_id for (case_id,) in rows}

    def _held_since(self, person: str, since: datetime) -> set[str]:
        """The cases that somebody held then or later."""
        rows = self._database.rows(HELD_SINCE, (person, _tolerant(since)))
        return {case_id for (case_id,) in rows}

    def _alive_since(self, since: datetime) -> set[str]:
        """The cases in which anything happened then or later: of other agencies too, in which somebody may have acted."""
        rows = self._database.rows("SELECT case_id FROM case_status WHERE last_recorded_at >= ?", (_tolerant(since),))
        return {case_id for (case_id,) in rows}

    def _of_agency(self, agency: str, since: datetime) -> set[str]:
        """The cases of an agency in which anything happened then or later."""
        rows = self._database.rows(
            "SELECT case_id FROM case_status WHERE agency = ? AND last_recorded_at >= ?",
            (agency, _tolerant(since)),
        )
        return {case_id for (case_id,) in rows}


def _tolerant(since: datetime) -> int:
    """When something may have been recorded that happened since a moment; microseconds, which reach back before year 1."""
    return (since - EPOCH - CLOCK_TOLERANCE) // MICROSECOND


def changed_departures(before: Departures, after: Departures) -> dict[str, datetime]:
    """Who has left, or come back, and since when that may matter."""
    found = {}
    for person in {*before, *after}:
        changed = set(before.get(person, ())) ^ set(after.get(person, ()))
        if changed:
            found[person] = min(one.at for one in changed)
    return found


def changed_posts(before: Posts, after: Posts) -> datetime | None:
    """Since when something may be recorded that the registry sees otherwise now; None where it says the same of everybody.

    Of somebody whom it had not known it says nothing of what had been recorded before.
    """
    found: list[datetime] = []
    for person in {*before, *after}:
        known = before.get(person, ())
        changed = set(known) ^ set(after.get(person, ()))
        found += [one.at if known else one.known_at for one in changed]
    return min(found, default=None)


def changed_agencies(before: Registry, after: Registry) -> set[str]:
    """The agencies of which the registry says something else."""
    return {agency for agency, _ in before.policies.agencies.items() ^ after.policies.agencies.items()}


def changed_use(before: Registry, after: Registry) -> datetime | None:
    """Since when it matters that the registry says otherwise since when the log is in use; None where it does not."""
    pairs = zip(before.policies.in_use, after.policies.in_use, strict=True)
    return min((one for pair in pairs if pair[0] != pair[1] for one in pair if one is not None), default=None)


def changed_policies(before: Registry, after: Registry) -> dict[str, datetime]:
    """Which agencies are judged by another policy, and since when."""
    known = {adoption.number for adoption, _ in before.adopted}
    found: dict[str, datetime] = {}
    for adoption, _ in after.adopted:
        if adoption.number not in known:
            agency = adoption.actor.agency
            found[agency] = min(found.get(agency, adoption.since), adoption.since)
    return found
