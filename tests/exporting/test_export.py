"""Exports say what the log says, all of it and nothing more, and each row leads back to its place in the log."""

import csv
import io
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import BufferReader, parquet

from casetrail.domain.case import Case
from casetrail.domain.codes import Offence
from casetrail.domain.kinds import EVENT_KINDS
from casetrail.domain.shapes import field_types, item_of, marks, optional
from casetrail.domain.values import IdMark, is_id
from casetrail.eventlog.hashing import leaf_hash
from casetrail.exporting.details import NOBODY, details_of
from casetrail.exporting.errors import BadPseudonymKey
from casetrail.exporting.export import Form
from casetrail.exporting.histories import Wanted
from casetrail.exporting.pseudonyms import pseudonyms
from casetrail.exporting.rows import columns, text
from tests.exporting.examples import HOSTILE, Example

PEOPLE = {"holder", "person", "id"}  # id: of whom was told of a missed deadline


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return Example(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def rows(example: Example) -> list[dict[str, str]]:
    return example.rows()


def test_every_event_of_the_log_is_exported_with_its_place_and_hash(
    example: Example, rows: list[dict[str, str]]
) -> None:
    wanted = {
        (str(record.partition), str(record.offset), leaf_hash(record.value or b"").hex()) for record in example.records
    }
    assert len(rows) == len(example.records) == len(wanted)
    assert {(row["partition"], row["offset"], row["leaf_hash"]) for row in rows} == wanted
    found = {(row["case_id"], row["number"]): row for row in rows}
    for event in example.events:
        row = found[event.case_id, str(event.number)]
        assert row["activity"] == type(event.body).__name__
        assert row["recorded_at"] == text(event.recorded_at)
        assert row["time"] == text(event.occurred_at or event.recorded_at)


def test_what_was_refused_or_cannot_be_read_is_exported_and_marked(
    example: Example, rows: list[dict[str, str]]
) -> None:
    results = Counter(row["result"] for row in rows)
    assert results["rejected"] > 0 and results["unreadable"] > 0
    assert results["rejected"] + results["unreadable"] == example.unaccepted
    _, summary = example.written(Form.CSV)
    assert (summary.events, summary.unaccepted) == (len(example.events), example.unaccepted)
    rejected = next(row for row in rows if row["result"] == "rejected")
    assert rejected["activity"] == "ActionRejected" and rejected["detail_kind"] and rejected["detail_code"]
    assert {row["history"] for row in rows} == {"case", "stray"}


def test_the_events_of_a_case_stand_in_the_order_in_which_they_happened(rows: list[dict[str, str]]) -> None:
    by_case: dict[str, list[tuple[str, int]]] = {}
    for row in rows:
        by_case.setdefault(row["case_id"], []).append((row["time"], int(row["number"])))
    assert all(found == sorted(found) for found in by_case.values())
    assert any([number for _, number in found] != sorted(number for _, number in found) for found in by_case.values())


@pytest.mark.parametrize("form", [Form.OCEL, Form.XES, Form.CSV])  # Parquet is compressed: it has what CSV has
def test_nothing_that_is_sealed_and_no_text_in_the_place_of_an_id_is_exported(example: Example, form: Form) -> None:
    written, _ = example.written(form)
    for event in example.events:
        for one in getattr(event.body, "sealed", ()):
            assert one.ciphertext not in written and one.ciphertext.hex().encode() not in written
            assert one.commitment.hex().encode() not in written
    for hostile in HOSTILE:
        assert hostile.encode() not in written
    for word in (b"Invented", b"calc", b"SUM", b"\\u202e", b"&#", b"DROP"):
        assert word not in written


def test_no_cell_is_a_formula(example: Example) -> None:
    written, _ = example.written(Form.CSV)
    for row in csv.reader(io.StringIO(written.decode(), newline="")):
        assert all(re.fullmatch(r"(~stray\.\d+|[A-Za-z0-9][A-Za-z0-9._:@+ -]*)?", cell) for cell in row)


def test_no_field_of_bytes_of_any_length_and_no_sealed_field_has_a_column() -> None:
    kind: Any
    for kind in EVENT_KINDS:
        fields = {one.field for one in details_of(kind)}
        assert fields.isdisjoint({"sealed", "tokens", "text", "value", "key"})
        plain = {name for name, _ in field_types(kind)} - {"sealed", "tokens", "text", "value", "key"}
        assert fields == plain  # and everything else has one


def test_every_id_is_known_to_be_a_persons_or_nobodys() -> None:
    """Whoever adds a field says which: what is not known is blinded."""
    found = set()
    kind: Any
    for kind in EVENT_KINDS:
        for name, hint in field_types(kind):
            inner = item_of(optional(hint) or hint)
            parts = (
                field_types(inner) if inner is not None and hasattr(inner, "__dataclass_fields__") else ((name, hint),)
            )
            found |= {
                part for part, one in parts if any(isinstance(mark, IdMark) for mark in marks(optional(one) or one))
            }
    assert found == NOBODY | PEOPLE


# --- what is wanted ---


def test_one_case_is_exported_alone(example: Example, rows: list[dict[str, str]]) -> None:
    case_id = rows[0]["case_id"]
    assert example.rows(Wanted(cases=frozenset({case_id}))) == [row for row in rows if row["case_id"] == case_id]


def test_only_what_had_been_recorded_by_then_is_exported(example: Example) -> None:
    then = sorted(event.recorded_at for event in example.events)[len(example.events) // 2]
    found = example.rows(Wanted(as_of=then))
    wanted = {(event.case_id, str(event.number)) for event in example.events if event.recorded_at <= then}
    assert {(row["case_id"], row["number"]) for row in found} == wanted


def test_the_state_of_a_case_is_that_of_the_moment_that_is_asked_for(example: Example) -> None:
    then = sorted(event.recorded_at for event in example.events)[len(example.events) // 2]
    cases: dict[str, Case] = {}
    for event in example.events:
        case = cases.setdefault(event.case_id, Case.unreported(event.case_id))
        if event.recorded_at <= then:
            event.recorded().mutate(case)
    found = {
        one["id"]: {attribute["name"]: attribute["value"] for attribute in one["attributes"]}["status"]
        for one in example.ocel(Wanted(as_of=then))["objects"]
        if one["type"] == "case"
    }
    assert found == {f"case:{one.id}": one.status.value for one in cases.values() if one.version and is_id(one.id)}


def test_only_what_happened_in_a_span_is_exported(example: Example, rows: list[dict[str, str]]) -> None:
    times = sorted(event.occurred_at or event.recorded_at for event in example.events)
    since, until = times[100], times[200] + timedelta(microseconds=1)
    found = example.rows(Wanted(since=since, until=until))
    assert found == [row for row in rows if text(since) <= row["time"] < text(until)]
    assert 100 < len(found) < len(rows)


def test_cases_are_chosen_by_unit_and_offence(example: Example, rows: list[dict[str, str]]) -> None:
    of_unit = {row["case_id"] for row in example.rows(Wanted(units=frozenset({"north"})))}
    assert of_unit == {row["case_id"] for row in rows if row["detail_unit"] == "north" and row["result"] == "accepted"}
    objects = {one["id"].removeprefix("case:"): one for one in example.ocel()["objects"] if one["type"] == "case"}
    of_rape = {row["case_id"] for row in example.rows(Wanted(offences=frozenset({Offence.RAPE})))}
    assert of_rape and of_rape == {
        case_id
        for case_id, one in objects.items()
        if "11A" in next((a["value"] for a in one["attributes"] if a["name"] == "offences"), "").split()
    }


# --- pseudonyms ---


def test_pseudonyms_stand_for_people_everywhere_and_for_nothing_else(
    example: Example, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    blind = pseudonyms(key)
    people = {"actor", "holder", "detail_holder", "detail_person"}
    blinded = example.rows(blind=blind)
    assert len(blinded) == len(rows)
    for before, after in zip(rows, blinded, strict=True):
        assert after == {name: blind(value) if name in people and value else value for name, value in before.items()}
    written, _ = example.written(Form.OCEL, blind=blind)
    assert not re.search(rb"det\.|sgt\.", written)
    assert b'"person:p-' in written


def test_another_key_gives_other_pseudonyms_and_a_short_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1" * 16)
    (tmp_path / "two").write_bytes(b"2" * 16)
    one, two = pseudonyms(tmp_path / "one"), pseudonyms(tmp_path / "two")
    assert one("det.01") == one("det.01") != two("det.01")
    assert re.fullmatch(r"p-[0-9a-f]{20}", one("det.01"))
    (tmp_path / "short").write_bytes(b"secret")
    for name in ("short", "nowhere"):
        with pytest.raises(BadPseudonymKey, match=name):
            pseudonyms(tmp_path / name)


# --- Parquet ---


def test_parquet_has_the_same_rows_with_their_types(example: Example, rows: list[dict[str, str]]) -> None:
    written, _ = example.written(Form.PARQUET)
    table = parquet.read_table(BufferReader(written))
    assert table.schema.names == list(columns())
    assert {str(table.schema.field(name).type) for name in ("time", "recorded_at")} == {"timestamp[us, tz=UTC]"}
    assert str(table.schema.field("imported").type) == "bool"
    assert table.schema.metadata[b"casetrail.log"] == b"test-log"

    def plain(row: dict[str, Any]) -> dict[str, str]:
        return {name: "" if value is None else text(value) for name, value in row.items()}

    assert [plain(row) for row in table.to_pylist()] == rows
