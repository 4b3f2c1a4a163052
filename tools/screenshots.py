"""Take a picture of every page of a running deployment, at two widths, in two schemes, in three languages.

    .venv/bin/python tools/screenshots.py --url http://localhost:8000 --login duty --out var/screenshots

The password is read from SENIM_PASSWORD, so that it stands in no list of processes. Pages that need a record (an
operation, a file) are reached by the first link of their register, as a reader would.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"wide": (1360, 900), "narrow": (430, 932)}
SCHEMES = ("light", "dark")
LANGUAGES = ("kk", "ru", "en")
PAGES = {
    "dashboard": "/console/payments/day?window=day",
    "operations": "/console/payments/operations/",
    "operation": "/console/payments/operations/ >",
    "files": "/console/payments/files/",
    "file": "/console/payments/files/ >",
    "upload": "/console/payments/files/upload",
    "days": "/console/payments/days/",
    "day": "/console/payments/days/?state=instructed >",
    "netting": "/console/payments/netting/",
    "settlement": "/console/payments/settlement/",
    "obligations": "/console/payments/obligations/",
    "participants": "/console/payments/participants/",
    "participant": "/console/payments/participants/ >",
    "participant-new": "/console/payments/participants/new",
    "accounts": "/console/payments/accounts/",
    "account": "/console/payments/accounts/ >",
    "approvals": "/console/approvals/",
    "approval": "/console/approvals/ >",
    "outgoing": "/console/deliveries/outgoing/",
    "incoming": "/console/deliveries/incoming/",
    "message": "/console/deliveries/outgoing/ >",
    "events": "/console/events/",
    "event": "/console/events/ >",
    "staff": "/console/staff/",
    "search": "/console/search?q=KZ",
    "style": "/console/style",
    "missing": "/console/nowhere",
    "sign-in": "/console/sign-in",
}


@dataclass(frozen=True)
class Session:
    """Whose eyes the pages are seen with."""

    url: str
    login: str
    password: str


def sign_in(page: Page, session: Session) -> None:
    """Enter as a reader does."""
    page.goto(f"{session.url}/console/sign-in")
    page.fill("input[name=login]", session.login)
    page.fill("input[name=password]", session.password)
    page.click("main button")
    page.wait_for_load_state()
    if "sign-in" in page.url:
        raise SystemExit(f"{session.login} cannot sign in at {session.url}")


def open_page(page: Page, session: Session, address: str) -> bool:
    """Open an address; with ``>`` at its end, the first row's own page. False where there is no row."""
    page.goto(session.url + address.removesuffix(" >"))
    if not address.endswith(" >"):
        return True
    link = page.locator("table.register tbody a").first
    if link.count() == 0:
        return False
    page.goto(session.url + (link.get_attribute("href") or "/"))
    return True


def take(browser: Browser, session: Session, given: argparse.Namespace) -> int:
    """Take the pictures that were asked for; return how many."""
    count = 0
    # JPEG where the folder is for readers: a third of the size, and no eye sees the difference.
    look = {"type": "jpeg", "quality": 82} if given.jpeg else {"type": "png"}
    ending = "jpg" if given.jpeg else "png"
    for width, scheme, language in product(given.widths, given.schemes, given.languages):
        w, h = WIDTHS[width]
        context = browser.new_context(viewport={"width": w, "height": h}, color_scheme=scheme, locale=f"{language}-KZ")
        page = context.new_page()
        sign_in(page, session)
        page.click(f".languages button[value={language}]")
        for name in sorted(given.pages, key=lambda one: one == "sign-in"):
            if name == "sign-in":
                context.clear_cookies()
            if not open_page(page, session, PAGES[name]):
                print(f"{name}: no row to open", file=sys.stderr)
                continue
            file = given.out / f"{name}-{width}-{scheme}-{language}.{ending}"
            page.screenshot(path=file, full_page=not given.screen, **look)
            count += 1
        context.close()
    return count


def main() -> None:
    """Read the arguments and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--login", required=True)
    parser.add_argument("--out", type=Path, default=Path("var/screenshots"))
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--pages", nargs="*", choices=PAGES, default=list(PAGES))
    parser.add_argument("--widths", nargs="*", choices=WIDTHS, default=list(WIDTHS))
    parser.add_argument("--languages", nargs="*", choices=LANGUAGES, default=list(LANGUAGES))
    parser.add_argument("--schemes", nargs="*", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--jpeg", action="store_true", help="JPEG, for documents.")
    parser.add_argument("--screen", action="store_true", help="One screen, not the whole page.")
    given = parser.parse_args()
    session = Session(given.url.rstrip("/"), given.login, os.environ["SENIM_PASSWORD"])
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.browser, args=FLAGS)
        count = take(browser, session, given)
        browser.close()
    print(f"{count} pictures in {given.out}")


if __name__ == "__main__":
    main()
