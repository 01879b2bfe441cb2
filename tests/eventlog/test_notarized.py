"""Records of ``LOG.checkpoints``: read back as written, by any Avro library, and never read as something else."""

import io

import avro.io
import avro.schema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.domain.notarized import CheckpointCosigned, CheckpointPublished, Notarized, OffsetRange
from casetrail.eventlog.codec import Unreadable
from casetrail.eventlog.notarized import decode_notarized, encode_notarized
from casetrail.eventlog.schemas import current_ids, published
from tests.eventlog.examples import BODIES, example_event

offsets = st.integers(0, 2**62)
hashes = st.binary(min_size=32, max_size=32)
ranges = st.lists(st.builds(OffsetRange, st.integers(0, 10_000), offsets, offsets), max_size=12).map(tuple)
records: st.SearchStrategy[Notarized] = st.one_of(
    st.builds(CheckpointPublished, st.binary(max_size=300), ranges, hashes),
    st.builds(CheckpointCosigned, hashes, st.binary(max_size=300)),
)

CHECKPOINT = CheckpointPublished(
    b"kcpd.example/casetrail\n0\n\n", (OffsetRange(0, 0, 7), OffsetRange(1, 0, 3)), bytes(32)
)


@given(records)
def test_what_is_written_is_read_back(record: Notarized) -> None:
    assert decode_notarized(encode_notarized(record)) == record


def test_another_avro_library_reads_a_checkpoint() -> None:
    value = encode_notarized(CHECKPOINT)
    schema = avro.schema.parse(published()[current_ids()["checkpoint"]])
    plain = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(value[5:])))
    assert plain == {
        "note": CHECKPOINT.note,
        "ranges": [{"partition": 0, "start": 0, "end": 7}, {"partition": 1, "start": 0, "end": 3}],
        "map_root": bytes(32),
    }


def test_the_bytes_of_a_checkpoint_never_change() -> None:
    assert encode_notarized(CheckpointCosigned(bytes(32), b"x")).hex() == "006213ef7d" + "00" * 32 + "0278"


@given(st.binary(max_size=80))
def test_bytes_that_no_notary_wrote_are_unreadable(value: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_notarized(value)


@given(records, st.data())
def test_a_record_that_was_cut_or_added_to_is_unreadable(record: Notarized, data: st.DataObject) -> None:
    value = encode_notarized(record)
    end = data.draw(st.integers(0, len(value) - 1))
    for wrong in (value[:end], value + b"\x00"):
        with pytest.raises(Unreadable):
            decode_notarized(wrong)


def test_an_event_is_no_checkpoint() -> None:
    from casetrail.eventlog.codec import encode_event

    with pytest.raises(Unreadable, match="unknown-schema"):
        decode_notarized(encode_event(example_event(BODIES[0])))
    with pytest.raises(Unreadable, match="no-value"):
        decode_notarized(None)
