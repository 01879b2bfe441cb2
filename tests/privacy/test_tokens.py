"""The same person or address is recognised however it was spelled; nobody else is."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from casetrail.privacy.errors import NothingToRecognise
from casetrail.privacy.tokens import address_token, child_token, normal_address, normal_name, suspect_token

PAGE = (Path(__file__).parents[2] / "docs" / "sealing.md").read_text("utf-8")
KEY = bytes(range(0x80, 0xA0))
BORN = date(2012, 5, 9)

LETTERS = "abcdefghijklmnopqrstuvwxyzäöüßéèñçøłæ"
PARTS = st.lists(st.text(LETTERS, min_size=1, max_size=8), min_size=1, max_size=4)
SEPARATORS = st.sampled_from([" ", "  ", ", ", "-", ". ", "\t", "\u00a0", " ’ ", "_", "/"])
VARIANTS: list[Callable[[str], str]] = [
    str.upper,
    str.title,
    str,
    str.casefold,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: f" {text}.",
]
RESPELL = st.sampled_from(VARIANTS)
WORDS = st.sampled_from(
    [("Street", "St."), ("AVENUE", "Ave"), ("Boulevard", "blvd"), ("North", "N."), ("southwest", "SW"),
     ("Apartment 4", "#4"), ("Apt. #12", "Unit 12"), ("Suite 9", "apt 9"), ("Saint Louis", "St. Louis"),
     ("Fifth", "5th"), ("P.O. Box 7", "PO Box 7"), ("Main", "MAIN"), ("100", "100,")]
)  # fmt: skip


@given(PARTS, st.data())
def test_spelling_variants_of_a_name_have_the_same_token(parts: list[str], data: st.DataObject) -> None:
    plain = " ".join(parts)
    other = "".join(data.draw(RESPELL)(part) + data.draw(SEPARATORS) for part in data.draw(st.permutations(parts)))
    assert child_token(KEY, plain, BORN) == child_token(KEY, other, BORN)
    assert suspect_token(KEY, plain) == suspect_token(KEY, other)


@given(st.lists(WORDS, min_size=1, max_size=6), SEPARATORS)
def test_spelling_variants_of_an_address_have_the_same_token(words: list[tuple[str, str]], separator: str) -> None:
    long, short = (" ".join(pair[side] for pair in words) for side in (0, 1))
    assert address_token(KEY, long) == address_token(KEY, short)
    assert address_token(KEY, long) == address_token(
        KEY, short.replace(" ", separator if "_" not in separator else " ")
    )


@given(st.text(max_size=40), st.text(max_size=40))
def test_different_kinds_never_match(one: str, other: str) -> None:
    assume(normal_name(one) and normal_address(other))
    values = {
        child_token(KEY, one).value, suspect_token(KEY, one).value, address_token(KEY, other).value,
        child_token(KEY, one, BORN).value, suspect_token(KEY, one, BORN).value,
    }  # fmt: skip
    assert len(values) == 5


@given(PARTS, PARTS)
def test_different_names_have_different_tokens(one: list[str], other: list[str]) -> None:
    assume(normal_name(" ".join(one)) != normal_name(" ".join(other)))
    assert child_token(KEY, " ".join(one)) != child_token(KEY, " ".join(other))


@given(st.text(max_size=60))
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    assert normal_name(normal_name(text)) == normal_name(text)
    assert normal_address(normal_address(text)) == normal_address(text)


def test_every_example_of_the_page_is_true() -> None:
    examples = re.findall(r"\| (name|address) `(.*?)` \| `(.*?)` \|", PAGE)
    assert len(examples) == 6
    for kind, written, normal in examples:
        assert (normal_name if kind == "name" else normal_address)(written) == normal


def test_the_published_tokens_are_what_is_made() -> None:
    child, suspect, address = re.findall(r"`([0-9a-f]{64})` \|", PAGE)
    assert child_token(KEY, "Séan O’Brien", BORN).value.hex() == child
    assert suspect_token(KEY, "Séan O’Brien").value.hex() == suspect
    assert address_token(KEY, "100 North Main Street, Apt. #4").value.hex() == address


def test_another_birth_date_key_or_none_is_another_token() -> None:
    tokens = {
        child_token(KEY, "Jane Doe"), child_token(KEY, "Jane Doe", BORN), child_token(KEY, "Jane Doe", date(2012, 9, 5)),
        child_token(bytes(32), "Jane Doe"),
    }  # fmt: skip
    assert len(tokens) == 4


def test_a_time_of_birth_counts_as_its_day() -> None:
    assert child_token(KEY, "Jane Doe", datetime(2012, 5, 9, 3, tzinfo=UTC)) == child_token(KEY, "Jane Doe", BORN)


@pytest.mark.parametrize(("one", "other"), [("कि", "की"), ("Ana", "Anna"), ("李雷", "李蕾"), ("Иван", "Йван Б")])
def test_names_of_any_script_are_told_apart(one: str, other: str) -> None:
    assert child_token(KEY, one) != child_token(KEY, other)


def test_invisible_signs_do_not_part_a_word() -> None:
    assert normal_name("Jo\u00adhan\u200bna") == "johanna"


@pytest.mark.parametrize("name", ["", "  ", "?", "--", "…", "\u0301", "\u200b"])
def test_unknown_persons_are_not_all_the_same_person(name: str) -> None:
    for make in (child_token, suspect_token, address_token):
        with pytest.raises(NothingToRecognise):
            make(KEY, name)
