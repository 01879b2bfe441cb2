"""The registry knows who works where and which policies were adopted, and forgets none of it."""

from datetime import datetime, timedelta

from casetrail.domain.actions import Action, ActionRejected, Actor
from casetrail.domain.case import Case, Recorded
from casetrail.domain.codes import AgencyKind, Level, Role
from casetrail.domain.deciding import decide
from casetrail.domain.memory import dump_case, load_case
from casetrail.domain.registry import (
    REGISTRY,
    AgencyRegistered,
    PersonJoined,
    PersonLeft,
    PersonMoved,
    PolicyAdopted,
    adoptions,
    registry_of,
)
from casetrail.domain.registry_facts import Person
from casetrail.domain.status import Status
from tests.actions import DETECTIVE, HAPPENED, INTAKE, REGISTRAR, SERGEANT, action, report
from tests.domain.registry_examples import COMMANDER

DAY = timedelta(days=1)
AGENCY = AgencyRegistered("metro-pd", AgencyKind.LAW_ENFORCEMENT)
JOINED = PersonJoined("det.01", "metro-pd", Role.INVESTIGATOR, "child-crimes")


class Register:
    """A registry that is told, each action being recorded at once unless it is said to be late."""

    def __init__(self) -> None:
        self.case = Case.unreported(REGISTRY)
        self.events: list[Recorded] = []
        self.tell(0, AGENCY).tell(0, JOINED)

    def tell(self, day: float, body: object, actor: Actor = REGISTRAR, late: timedelta = timedelta()) -> "Register":
        """What happened so many days after ``HAPPENED``; it must be accepted."""
        asked = action(body, actor, REGISTRY, HAPPENED + day * DAY)  # type: ignore[arg-type]
        assert self.decided(asked, late) is body
        return self

    def decided(self, asked: Action, late: timedelta = timedelta()) -> object:
        """Record an action, and say what was decided."""
        at = asked.occurred_at + late
        made = decide(self.case, asked, at)
        self.case.record(asked, made, at)
        self.events += [event for event in self.case.collect_events() if isinstance(event, Recorded)]
        return made

    def person(self, name: str = "det.01") -> Person:
        return registry_of(self.case).people[name]

    def left(self, unit: str = "child-crimes", agency: str = "metro-pd") -> datetime | None:
        """When the detective has left a case of this unit that they hold."""
        return registry_of(self.case).left("det.01", agency, unit)


def test_who_works_has_left_nothing() -> None:
    register = Register()
    assert register.person() == Person("metro-pd", "child-crimes", Role.INVESTIGATOR, HAPPENED)
    assert register.left() is None


def test_who_leaves_the_agency_leaves_all_that_they_hold() -> None:
    register = Register().tell(5, PersonLeft("det.01"))
    assert register.left() == HAPPENED + 5 * DAY


def test_who_moves_to_another_unit_leaves_what_they_hold_in_the_old_one() -> None:
    register = Register().tell(5, PersonMoved("det.01", Role.INVESTIGATOR, "homicide"))
    assert register.left("child-crimes") == HAPPENED + 5 * DAY
    assert register.left("homicide") is None
    register.tell(9, PersonMoved("det.01", Role.INVESTIGATOR, "child-crimes"))
    assert (register.left("child-crimes"), register.left("homicide")) == (None, HAPPENED + 9 * DAY)


def test_who_left_the_agency_left_every_unit_of_it() -> None:
    register = Register().tell(5, PersonMoved("det.01", Role.INVESTIGATOR, "homicide")).tell(7, PersonLeft("det.01"))
    assert register.left("child-crimes") == HAPPENED + 5 * DAY
    assert register.left("homicide") == HAPPENED + 7 * DAY


def test_another_role_in_the_same_unit_leaves_nothing() -> None:
    register = Register().tell(5, PersonMoved("det.01", Role.SUPERVISOR, "child-crimes"))
    assert register.left() is None and register.person().role is Role.SUPERVISOR


def test_who_comes_back_holds_again_what_was_not_handed_over() -> None:
    register = Register().tell(5, PersonLeft("det.01")).tell(30, JOINED)
    assert register.left() is None and register.person().joined_at == HAPPENED + 30 * DAY


def test_who_comes_back_into_another_unit_has_left_the_old_one() -> None:
    elsewhere = PersonJoined("det.01", "metro-pd", Role.INVESTIGATOR, "homicide")
    register = Register().tell(5, PersonLeft("det.01")).tell(30, elsewhere)
    assert (register.left("child-crimes"), register.left("homicide")) == (HAPPENED + 5 * DAY, None)


def test_a_unit_of_the_same_name_in_another_agency_is_another_unit() -> None:
    other = AgencyRegistered("other-pd", AgencyKind.LAW_ENFORCEMENT)
    joined = PersonJoined("det.01", "other-pd", Role.INVESTIGATOR, "child-crimes")
    register = Register().tell(4, other).tell(5, PersonLeft("det.01")).tell(30, joined)
    assert (register.left(), register.left(agency="other-pd")) == (HAPPENED + 5 * DAY, None)
    register.tell(40, PersonLeft("det.01"))
    assert (register.left(), register.left(agency="other-pd")) == (HAPPENED + 5 * DAY, HAPPENED + 40 * DAY)


def test_of_somebody_who_is_not_registered_nobody_knows_that_they_left() -> None:
    assert registry_of(Register().case).left("det.99", "metro-pd", "child-crimes") is None


def test_the_registry_is_no_case() -> None:
    case = Register().case
    assert case.status is Status.UNREPORTED and not case.is_open


def test_a_case_id_of_the_registry_is_for_the_registry_only() -> None:
    refused = decide(Register().case, action(report(), INTAKE, REGISTRY), HAPPENED)
    assert refused == ActionRejected("ReportReceived", "reserved-case-id")
    other = decide(Case.unreported("C-1"), action(AGENCY, REGISTRAR, "C-1"), HAPPENED)
    assert other == ActionRejected("AgencyRegistered", "registry-only")


def test_detectives_adopt_no_policy_and_supervisors_neither() -> None:
    policy = PolicyAdopted(HAPPENED + DAY, b"name = 'lax'")
    for actor in (DETECTIVE, SERGEANT):
        assert Register().decided(action(policy, actor, REGISTRY)) == ActionRejected("PolicyAdopted", "role-may-not")


def test_a_registry_that_was_put_aside_is_the_same_when_it_is_read_back() -> None:
    case = Register().tell(5, PersonMoved("det.01", Role.SUPERVISOR, "homicide")).tell(6, PersonLeft("det.01")).case
    again = load_case(REGISTRY, dump_case(case))
    assert again.facts == case.facts and again.facts.registry is not None
    assert again.facts.registry.agencies == {"metro-pd": AgencyKind.LAW_ENFORCEMENT}
    assert again.facts.registry.left("det.01", "metro-pd", "child-crimes") == HAPPENED + 5 * DAY


def test_every_adopted_policy_stays_with_its_whole_text_and_who_adopted_it() -> None:
    register = Register().tell(1, PolicyAdopted(HAPPENED + DAY, b"one"), COMMANDER)
    register.tell(2, PolicyAdopted(HAPPENED + 9 * DAY, "zwei ä".encode()), COMMANDER)
    found = adoptions(register.events)
    assert [(one.text, one.since, one.number, one.actor) for one in found] == [
        ("one", HAPPENED + DAY, 3, COMMANDER), ("zwei ä", HAPPENED + 9 * DAY, 4, COMMANDER),
    ]  # fmt: skip


def test_no_policy_is_in_force_before_it_stands_in_the_log() -> None:
    register = Register().tell(1, PolicyAdopted(HAPPENED + DAY, b"late"), COMMANDER, late=30 * DAY)
    assert adoptions(register.events)[0].since == HAPPENED + 31 * DAY


# --- who is told ---


def test_levels_at_which_the_registry_knows_nobody_are_named() -> None:
    def untold(register: Register) -> list[Level]:
        return registry_of(register.case).untold("metro-pd", set(Level))

    outside = [Level.PARTNERS, Level.OVERSIGHT]
    register = Register()
    assert untold(register) == [Level.SUPERVISOR, Level.COMMANDER, *outside]
    register.tell(1, PersonJoined("sgt.a", "metro-pd", Role.SUPERVISOR)).tell(
        1, PersonJoined("cmd.d", "metro-pd", Role.COMMANDER)
    )
    assert untold(register) == outside
    assert untold(register.tell(2, AgencyRegistered("clinic", AgencyKind.MEDICAL))) == [Level.OVERSIGHT]
    assert untold(register.tell(2, AgencyRegistered("inspectorate", AgencyKind.OVERSIGHT))) == []
    assert untold(register.tell(3, PersonLeft("cmd.d"))) == [Level.COMMANDER]
    assert registry_of(register.case).untold("metro-pd", {Level.HOLDER, Level.OVERSIGHT}) == [], (
        "a level that is not asked for"
    )


def test_an_agency_of_whom_nobody_is_registered_has_somebody_at_its_desks() -> None:
    register = Register().tell(1, AgencyRegistered("county-pd", AgencyKind.LAW_ENFORCEMENT))
    assert registry_of(register.case).untold("county-pd", set(Level)) == [Level.OVERSIGHT]
