"""What a story is made of: reports, and scenes; each with when it happens and when somebody enters it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from casetrail.demo.people import HOTLINE_WORKER, INTAKE, POLICE, UNIT, Family
from casetrail.domain.actions import Actor, Body
from casetrail.domain.closure import ClosureRequested
from casetrail.domain.codes import Channel, Disposition, Offence, ReporterKind, SealedName, Step
from casetrail.domain.contact import VictimContactAttempted, VictimContactMade
from casetrail.domain.intake import OffenceAlleged, ReportReceived, ScreenedOut
from casetrail.domain.investigation import InvestigativeStepTaken, SupervisorReviewed
from casetrail.domain.values import EPOCH

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
MINUTE: Final = timedelta(minutes=1)
SECOND: Final = timedelta(seconds=1)
WORK: Final = (VictimContactMade, VictimContactAttempted, InvestigativeStepTaken, SupervisorReviewed)

CHANNELS: Final = (
    (Channel.HOTLINE, ReporterKind.MANDATED_REPORTER, 50),
    (Channel.HOTLINE, ReporterKind.PUBLIC, 12),
    (Channel.PHONE, ReporterKind.FAMILY, 16),
    (Channel.IN_PERSON, ReporterKind.FAMILY, 8),
    (Channel.OFFICER, ReporterKind.MANDATED_REPORTER, 9),
    (Channel.PARTNER_AGENCY, ReporterKind.AGENCY, 5),
)
"""How a report comes, who reports, and how often in a hundred."""


@dataclass(frozen=True)
class Scene:
    """Something that happens: when, when it is entered, in which case, by whom, what; and the texts sealed with it."""

    at: datetime
    entered: datetime
    case_id: str
    actor: Actor
    body: Body
    texts: dict[SealedName, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A report, before anything has become of it. ``again``: earlier reports about the same child."""

    case_id: str
    at: datetime
    group: str
    offence: Offence
    statute: str
    family: Family
    in_danger: bool
    again: tuple[str, ...] = ()


class Telling:
    """The scenes of one case, as they are told one by one."""

    def __init__(self, report: Report, chance: Random) -> None:
        self.report, self.chance = report, chance
        self.case_id = report.case_id
        self._scenes: list[Scene] = []
        self._receive()

    def _receive(self) -> None:
        report, chance = self.report, self.chance
        channel, reporter, _ = chance.choices(CHANNELS, weights=[one[2] for one in CHANNELS])[0]
        offences = (OffenceAlleged(report.offence, report.statute or None),)
        body = ReportReceived(
            report.case_id, channel, reporter, POLICE, UNIT, offences, immediate_danger=report.in_danger
        )
        actor = HOTLINE_WORKER if channel is Channel.HOTLINE else INTAKE
        people = report.family
        self._say(
            report.at,
            actor,
            body,
            chance.uniform(2, 25) * MINUTE,
            {
                SealedName.CHILD_NAME: people.child,
                SealedName.CHILD_BIRTH_DATE: people.child_born.isoformat(),
                SealedName.SUSPECT_NAME: people.suspect,
                SealedName.SUSPECT_BIRTH_DATE: people.suspect_born.isoformat(),
                SealedName.ADDRESS: people.home,
                SealedName.NARRATIVE: "Invented for the demonstration.",
            },
        )

    @property
    def by_hotline(self) -> bool:
        """Whether the report came by the hotline."""
        return self._scenes[0].actor is HOTLINE_WORKER

    def say(self, at: datetime, actor: Actor, body: Body, **texts: str) -> None:
        """Something is done at a desk, and entered within minutes."""
        sealed = {SealedName(key): text for key, text in texts.items()}
        self._say(at, actor, body, self.chance.uniform(0.5, 20) * MINUTE, sealed)

    def on_duty(self, at: datetime, actor: Actor, body: Body) -> None:
        """Something is done outside by who is on call, and entered at the end of the shift; once in a while forgotten."""
        shift = self.chance.uniform(0.2, 8) * HOUR if self.chance.random() < 0.997 else self.chance.uniform(1, 3) * DAY
        self._say(at, actor, body, shift, {})

    def work(self, at: datetime, actor: Actor, body: Body) -> None:
        """Something is done outside, and entered by and by: most of it within hours, now and then days later."""
        self._say(at, actor, body, self._by_and_by(), {})

    def late(self, at: datetime, entered: datetime, actor: Actor, body: Body) -> None:
        """Something is entered at a moment, as done at another."""
        self._say(at, actor, body, entered - at, {})

    def stamp(self, actor: Actor, body: Body) -> None:
        """Something is decided within seconds of what was entered last."""
        at = self._scenes[-1].entered + self.chance.uniform(12, 50) * SECOND
        self._say(at, actor, body, timedelta(), {})

    def _say(self, at: datetime, actor: Actor, body: Body, delay: timedelta, texts: dict[SealedName, str]) -> None:
        self._scenes.append(Scene(at, at + delay, self.case_id, actor, body, texts))

    def _by_and_by(self) -> timedelta:
        kind, uniform = self.chance.random(), self.chance.uniform
        if kind < 0.70:
            return uniform(0.1, 4) * HOUR
        if kind < 0.993:
            return uniform(4, 20) * HOUR
        return uniform(1, 4) * DAY if kind < 0.9992 else uniform(4, 12) * DAY

    def scenes(self) -> list[Scene]:
        """All of them as they are entered. Whoever asks for the closure enters first what is still on paper."""
        ends = sorted(one.entered for one in self._scenes if isinstance(one.body, ClosureRequested | ScreenedOut))
        told = sorted((_before(one, ends) for one in _in_turn(self._scenes)), key=lambda one: one.entered)
        return [_founded(one, told) for one in told]


def _in_turn(scenes: Iterable[Scene]) -> Iterator[Scene]:
    """What is done at desks is entered in the order in which it is done: each builds on the one before."""
    last = EPOCH
    for scene in sorted(scenes, key=lambda one: one.at):
        if isinstance(scene.body, WORK):
            yield scene
        else:
            last = max(scene.entered, last + SECOND)
            yield replace(scene, entered=last)


def _before(scene: Scene, ends: Sequence[datetime]) -> Scene:
    """The scene, entered before the end that comes after it."""
    following = next((at for at in ends if scene.at < at), None)
    if following is None or scene.entered <= following:  # the end itself is entered when it is
        return scene
    return replace(scene, entered=max(scene.at, following - MINUTE))


def _founded(scene: Scene, told: Sequence[Scene]) -> Scene:
    """An unfounded closure names the event that shows it: the last step before."""
    body = scene.body
    if not isinstance(body, ClosureRequested) or body.disposition is not Disposition.UNFOUNDED:
        return scene
    steps = [number for number, one in enumerate(told, 1) if isinstance(one.body, InvestigativeStepTaken)]
    before = [number for number in steps if told[number - 1].entered < scene.entered]
    return replace(scene, body=replace(body, basis_number=before[-1] if before else 1))


def step(kind: Step) -> InvestigativeStepTaken:
    """An investigative step."""
    return InvestigativeStepTaken(kind)
