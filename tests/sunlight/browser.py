"""A real Chromium that looks at pages in files, as a reader's browser would."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
"""So that it runs as root, and asks for nothing on the network by itself."""
WCAG: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

Scheme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium of this machine; without one the test fails and says what to install."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail(
            "this test looks at pages in a real Chromium: install one, on Debian 'apt-get install chromium'",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser,
    page: Path,
    *,
    scheme: Scheme = "light",
    width: int = 1100,
    media: Literal["screen", "print"] = "screen",
) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what went wrong or was asked for while it was opened: messages of the console, requests."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=False)
    tab, happened = context.new_page(), list[str]()
    tab.on("console", lambda message: happened.append(message.text))
    tab.on("pageerror", lambda error: happened.append(str(error)))
    tab.on("request", lambda request: happened.append(request.url))
    tab.emulate_media(media=media, color_scheme=scheme)
    tab.goto(page.resolve().as_uri())
    try:
        yield tab, happened
    finally:
        context.close()


def violations(tab: Page) -> list[dict[str, Any]]:
    """What axe-core finds against WCAG 2.2 AA, and against what is good practice beyond."""
    found = Axe().run(tab, options={"runOnly": {"type": "tag", "values": list(WCAG)}})
    return [
        {"rule": one["id"], "help": one["help"], "where": [node["html"][:200] for node in one["nodes"][:3]]}
        for one in found.response["violations"]
    ]
