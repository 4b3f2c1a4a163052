"""A real browser against Django's live server. Where there is no Chromium, these tests are skipped, loudly."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer
from tests import example_market

from senim.roles.payments.console import figures
from senim.runtime import translations

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE, NARROW = (1360, 900), (430, 932)
PATIENCE_MS = 15_000


def chromium() -> str | None:
    """The browser: SENIM_CHROMIUM, else Debian's."""
    named = os.environ.get("SENIM_CHROMIUM", "/usr/bin/chromium")
    return named if Path(named).exists() else shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, and skip it where no browser is."""
    here = Path(__file__).parent
    mine = [item for item in items if here in item.path.parents]
    missing = chromium() is None
    for item in mine:
        item.add_marker(pytest.mark.browser)
        if missing:
            item.add_marker(
                pytest.mark.skip(reason="no Chromium (apt-get install chromium): browser tests are NOT run")
            )


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the run."""
    # Playwright keeps an event loop on this thread, and Django refuses to work beside one unless told that it may.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    translations.compile_all()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def market(own_database: str) -> example_market.Market:
    """The example market, committed in a database of its own: the server reads it on connections of its own."""
    figures.forget_running()
    return example_market.build(operations=130)


@dataclass
class Reader:
    """A person at a screen, and everything their browser complained of."""

    context: BrowserContext
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str) -> Page:
        """Go to an address of the console."""
        self.page.goto(self.url + address)
        return self.page

    def sign_in(self, login: str, password: str = example_market.PASSWORD) -> None:
        """Enter."""
        self.open("/console/sign-in")
        self.page.fill("input[name=login]", login)
        self.page.fill("input[name=password]", password)
        self.page.click("main button[type=submit]")
        self.page.wait_for_load_state()

    def speak(self, language: str) -> None:
        """Choose a language."""
        self.page.click(f".languages button[value={language}]")
        self.page.wait_for_load_state()

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        width = self.page.evaluate("document.scrollingElement.scrollWidth - document.documentElement.clientWidth")
        return int(width)


@dataclass
class Room:
    """Where readers sit down."""

    browser: Browser
    url: str
    readers: list[Reader] = field(default_factory=list)

    def seat(self, *, size: tuple[int, int] = WIDE, dark: bool = False) -> Reader:
        """A new reader with a clean browser."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", locale="en-GB"
        )
        context.set_default_timeout(PATIENCE_MS)
        reader = Reader(context, context.new_page(), self.url)

        def hear(message: ConsoleMessage) -> None:
            # A page that answers 4xx on purpose is reported by the browser as a failed resource: the test knows of it.
            if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
                reader.complaints.append(f"{reader.page.url}: {message.text}")

        reader.page.on("console", hear)
        reader.page.on("pageerror", lambda error: reader.complaints.append(f"{reader.page.url}: {error}"))
        self.readers.append(reader)
        return reader


@pytest.fixture
def room(browser: Browser, live_server: LiveServer, market: example_market.Market) -> Iterator[Room]:
    """A room before the example market. At the end no browser may have complained: of scripts, of styles, of policy."""
    made = Room(browser, str(live_server.url))
    yield made
    complaints = [complaint for reader in made.readers for complaint in reader.complaints]
    for reader in made.readers:
        reader.context.close()
    assert not complaints, "\n".join(complaints)
