"""A receipt reads back as what was written, as plain values and as text; what was touched is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casetrail.publishing import Receipt, ReceiptInvalid
from casetrail.publishing.receipt import PROMISED_WITHIN

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,63}", fullmatch=True)
RECEIPTS = st.builds(
    Receipt,
    log=IDS,
    case_id=IDS,
    action_id=st.binary(min_size=16, max_size=16),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    appended_at=st.integers(0, 250_000_000_000_000),
    action_hash=st.binary(min_size=32, max_size=32),
    promised_within=st.integers(0, 10**9),
)


@given(RECEIPTS)
def test_a_receipt_reads_back_as_it_was(receipt: Receipt) -> None:
    text = receipt.to_text()
    assert Receipt.from_text(text) == receipt
    assert len(text.encode()) < 1024
    assert Receipt.from_dict(receipt.to_dict()) == receipt


def example(**changes: Any) -> Receipt:
    values: dict[str, Any] = {
        "log": "kcpd", "case_id": "C-1", "action_id": bytes(range(16)), "partition": 3, "offset": 1234,
        "appended_at": 1_764_078_480_123, "action_hash": bytes(32),
    }  # fmt: skip
    return Receipt(**{**values, **changes})


def test_a_time_that_no_log_should_give_reads_back_as_it_was() -> None:
    for appended_at in (221_845_392_000_001, 253_402_300_799_999):
        receipt = example(appended_at=appended_at)
        assert Receipt.from_text(receipt.to_text()) == receipt
    for appended_at in (-1, 253_402_300_800_000, 2**63 - 1):
        with pytest.raises(ReceiptInvalid):
            example(appended_at=appended_at).to_text()


def test_the_text_is_this_one_for_good() -> None:
    assert example().to_text() == (
        "casetrail-receipt@v1\nlog kcpd\ncase C-1\naction 000102030405060708090a0b0c0d0e0f\npartition 3\noffset 1234\n"
        f"appended 2025-11-25T13:48:00.123000Z\nhash {'00' * 32}\nwithin 86400\n"
    )


def test_plain_values_that_were_kept_before_there_was_a_promise_are_read() -> None:
    values = example().to_dict()
    del values["promised_within"]
    assert Receipt.from_dict(values).promised_within == PROMISED_WITHIN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("partition 3", "partition 03"), ("partition 3", "partition -3"), ("partition 3", "partition 3 "),
        ("offset 1234", "offset 1_234"), ("offset 1234", "offset x"), ("00010203", "0001020"), ("00010203", "000102"),
        ("0a0b0c", "0A0B0C"), ("2025-11-25T", "2025-13-25T"), (".123000Z", ".123Z"), (".123000Z", ".123000"),
        ("13:48:00.123000Z", "14:48:00.123000+01:00"), ("within 86400", "within 999999999999999"),
        ("within 86400\n", "within 86400\nwithin 1\n"), ("within 86400\n", ""), ("log kcpd\n", ""), ("log ", "Log "),
        ("@v1", "@v2"),
    ],
)  # fmt: skip
def test_what_is_spelt_otherwise_is_refused(old: str, new: str) -> None:
    text = example().to_text()
    assert old in text
    with pytest.raises(ReceiptInvalid):
        Receipt.from_text(text.replace(old, new, 1))


@pytest.mark.parametrize("changes", [{"case_id": "C-1\noffset 5"}, {"action_id": b"short"}, {"action_hash": b""}])
def test_what_could_not_be_read_back_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(ReceiptInvalid):
        example(**changes).to_text()
