"""What is remembered of a case for comparing it with others comes out of the views as it went in."""

from casetrail.domain.detectors.traces import Trace
from casetrail.projections.judging import load_trace, trace_row
from tests.domain.detecting import history_of, judge
from tests.domain.test_detectors_many_properties import random_cases


def test_every_part_of_a_trace_is_read_as_it_was_written() -> None:
    one, seen = judge(), set[str]()
    for seed in range(3):
        for case_id, events in random_cases(seed).items():
            trace = one.trace(history_of(events, case_id))
            if trace is not None:
                trace = trace._replace(partners=("clinic", "hotline"))
                assert load_trace(trace_row(trace)[2]) == trace
                seen |= {name for name, part in trace._asdict().items() if part}
    assert seen >= set(Trace._fields), "some part was nowhere there"
