"""The report as a reader's browser shows it: accessible, whole on a small screen, and asking for nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from casetrail.cli.render import csv_cell
from casetrail.sunlight.edition import Edition
from casetrail.sunlight.files import files, put_in_place
from tests.sunlight.browser import Scheme, chromium, opened, violations
from tests.sunlight.examples import COMMAND, some_edition

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def written(folder: Path, edition: Edition) -> Path:
    put_in_place(files(edition, COMMAND, "0.1.0", csv_cell), folder)
    return folder / "index.html"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a unit with a thousand reports a year."""
    return written(tmp_path_factory.mktemp("large") / "report", some_edition())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which most is withheld."""
    return written(tmp_path_factory.mktemp("small") / "report", some_edition(60, 12))


@pytest.mark.parametrize("media", ["screen", "print"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_accessible(
    browser: Browser, large: Path, scheme: Scheme, media: Literal["screen", "print"]
) -> None:
    with opened(browser, large, scheme=scheme, media=media) as (tab, _):
        assert violations(tab) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_of_which_most_is_withheld_is_accessible_on_a_small_screen(
    browser: Browser, small: Path, scheme: Scheme
) -> None:
    with opened(browser, small, scheme=scheme, width=320) as (tab, _):
        assert violations(tab) == []


def test_what_axe_finds_is_found(browser: Browser, large: Path, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(large.read_text("utf-8").replace('<html lang="en">', "<html>"), "utf-8")
    with opened(browser, page) as (tab, _):
        assert [one["rule"] for one in violations(tab)] == ["html-has-lang"]


@pytest.mark.parametrize("width", [320, 768, 1400])
def test_no_page_is_wider_than_the_screen(browser: Browser, large: Path, width: int) -> None:
    with opened(browser, large, width=width) as (tab, _):
        assert tab.evaluate("document.documentElement.scrollWidth") == width


def test_the_page_asks_for_nothing_and_complains_of_nothing(browser: Browser, large: Path) -> None:
    with opened(browser, large) as (tab, happened):
        assert happened == [large.resolve().as_uri()]
        assert (
            tab.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight") == "700"
        )  # the style sheet is let in


def test_texts_from_a_hostile_log_stay_texts(browser: Browser, tmp_path: Path) -> None:
    evil = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    page = written(tmp_path / "report", some_edition(clocks=(evil, "assignment"), log=evil, origin=evil))
    with opened(browser, page) as (tab, happened):
        assert "taken" not in str(tab.evaluate("document.title")).replace(evil, "")
        assert tab.evaluate("document.querySelectorAll('script, img, iframe, [onerror]').length") == 0
        assert happened == [page.resolve().as_uri()]
