"""What is exported opens in pm4py, with the same cases, events, activities and objects as the log has."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from casetrail.exporting.export import Form
from casetrail.exporting.rows import text
from tests.exporting.examples import Example


@pytest.fixture(scope="module")
def pm4py() -> Any:
    """The library: whoever only collects tests does without the second and a half that it takes to import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pm4py
    return pm4py


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return Example(tmp_path_factory.mktemp("example"))


def file(example: Example, form: Form, name: str) -> str:
    """The name of a file with an export."""
    path = example.path.with_name(name)
    path.write_bytes(example.written(form)[0])
    return str(path)


def activities(example: Example) -> Counter[str]:
    return Counter(type(event.body).__name__ for event in example.events)


@pytest.mark.filterwarnings("ignore")
def test_ocel_opens_with_all_events_activities_and_objects(pm4py: Any, example: Example) -> None:
    ocel = pm4py.read_ocel2_json(file(example, Form.OCEL, "log.jsonocel"))
    written = example.ocel()
    assert Counter(ocel.events["ocel:activity"]) == activities(example)
    assert Counter(ocel.objects["ocel:type"]) == Counter(one["type"] for one in written["objects"])
    related = Counter(each["qualifier"] for one in written["events"] for each in one["relationships"])
    assert Counter(ocel.relations["ocel:qualifier"]) == related
    cases = {event.case_id for event in example.events if not event.case_id.startswith("~")}
    flat = pm4py.ocel_flattening(ocel, "case")
    assert set(flat["case:concept:name"]) == {f"case:{one}" for one in cases}
    assert len(flat) == sum(event.case_id in cases for event in example.events)
    assert {text(one.to_pydatetime()) for one in ocel.events["recorded_at"]} == {
        text(event.recorded_at) for event in example.events
    }


@pytest.mark.filterwarnings("ignore")
def test_xes_opens_with_all_cases_events_and_times(pm4py: Any, example: Example) -> None:
    log = pm4py.read_xes(file(example, Form.XES, "log.xes"), show_progress_bar=False)
    assert Counter(log["case:concept:name"]) == Counter(event.case_id for event in example.events)
    assert Counter(log["concept:name"]) == activities(example)
    found = {(one["case:concept:name"], one["number"]): one for one in log.to_dict("records")}
    for event in example.events:
        row: dict[str, Any] = found[event.case_id, event.number]
        assert text(row["time:timestamp"].to_pydatetime()) == text(event.occurred_at or event.recorded_at)
    starts = pm4py.get_start_activities(log[log["case:history"] == "case"])
    assert starts["ReportReceived"] > 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", [Form.CSV, Form.PARQUET])
def test_a_flat_file_opens_as_an_event_log(pm4py: Any, example: Example, form: Form, tmp_path: Path) -> None:
    import pandas

    path = file(example, form, f"log.{form.value}")
    frame = pandas.read_csv(path) if form is Form.CSV else pandas.read_parquet(path)
    log = pm4py.format_dataframe(frame, case_id="case_id", activity_key="activity", timestamp_key="time")
    assert len(log) == len(example.events)
    assert Counter(log["concept:name"]) == activities(example)
    variants = pm4py.get_variants(log)
    assert sum(variants.values()) == len({event.case_id for event in example.events})
