"""Logs to export, what stands in them, and exports of them."""

import csv
import json
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, Final

from casetrail.consumers.recorder import Recorder
from casetrail.domain.actions import Action, Actor, Unaccepted
from casetrail.domain.assignment import Assigned
from casetrail.domain.codes import Role
from casetrail.eventlog.codec import Event, decode_event, encode_action
from casetrail.eventlog.embedded import EmbeddedLog
from casetrail.eventlog.port import Entry, Record, Topic
from casetrail.exporting.export import Form, Summary, export
from casetrail.exporting.histories import Source, Wanted
from casetrail.exporting.pseudonyms import Blind, plainly
from casetrail.projections.case_store import CaseStore
from tests.conformance.log_kit import read_all
from tests.histories import BEGINNING, LOG_NAME, recorded_log

HOSTILE: Final = ('=cmd|" /C calc"!A0', "Invented Name\r\n<x y='&'>", '"],"\x00\x1b[2J', "@SUM(1)", "‮oc")
"""What stands in the place of ids in some submissions: each of them is refused."""


class Example:
    """A log with a random history, hostile submissions among it."""

    def __init__(self, folder: Path, seed: int = 7, partitions: int = 3) -> None:
        self.path = folder / "log.db"
        with recorded_log(self.path, seed, actions=400, cases=20, partitions=partitions) as log:
            self._submit_hostile(log)
            self.records: list[Record] = read_all(log, Topic.EVENTS)
        self.events: list[Event] = [decode_event(record.value) for record in self.records]

    @staticmethod
    def _submit_hostile(log: EmbeddedLog) -> None:
        chance = Random(1)
        for text in HOSTILE:
            for holder, actor in ((text, "sgt.archer"), ("det.01", text)):
                body, who = Assigned(holder), Actor(actor, text, Role.SUPERVISOR)
                action = Action(chance.randbytes(16), "C-hostile", BEGINNING, who, body)
                log.append(Topic.ACTIONS, [Entry(b"C-hostile", encode_action(action))])
        recorder = Recorder(log, CaseStore(":memory:", LOG_NAME))
        while recorder.step(0.0):
            pass
        recorder.close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"sqlite:{self.path}"

    @property
    def unaccepted(self) -> int:
        """How many submissions are no fact."""
        return sum(isinstance(event.body, Unaccepted) for event in self.events)

    def written(self, form: Form, wanted: Wanted | None = None, blind: Blind = plainly) -> tuple[bytes, Summary]:
        """An export."""
        out = BytesIO()
        summary = export(Source(self.url, {}, wanted or Wanted()), form, out, blind)
        return out.getvalue(), summary

    def rows(self, wanted: Wanted | None = None, blind: Blind = plainly) -> list[dict[str, str]]:
        """An export as CSV, read."""
        return list(csv.DictReader(self.written(Form.CSV, wanted, blind)[0].decode().splitlines()))

    def ocel(self, wanted: Wanted | None = None) -> dict[str, Any]:
        """An export as OCEL, read."""
        found: dict[str, Any] = json.loads(self.written(Form.OCEL, wanted)[0])
        return found
