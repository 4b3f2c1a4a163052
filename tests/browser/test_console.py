"""The console in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import NARROW, Room
from tests.example_market import Market, bin_of, time_ordered_id

from senim.kernel.access.models import Staff
from senim.kernel.values import iban
from senim.roles.payments.models import MessageFile, OperatingDay, Operation, OperationMinute, Participant
from senim.roles.payments.rules.kinds import Kind, Status

PAGES = (
    "/console/payments/day?window=day",
    *(f"/console/payments/{name}/" for name in ("operations", "files", "days", "netting", "settlement", "obligations")),
    *(f"/console/payments/{name}/" for name in ("participants", "accounts")),
    *(f"/console/{name}/" for name in ("approvals", "deliveries/outgoing", "deliveries/incoming", "events")),
    *(f"/console/{name}" for name in ("style", "search", "nowhere")),
)
NEW_PASSWORD = "tau-basynda-3-qar"


@pytest.mark.clause("PS-12.4")
def test_the_first_entry_allows_nothing_but_a_new_password(room: Room, market: Market) -> None:
    Staff.objects.filter(login="duty").update(must_change_password=True)
    reader = room.seat()
    reader.sign_in("duty", "wrong-password")
    expect(reader.page.get_by_role("alert")).to_be_visible()
    reader.sign_in("duty")
    expect(reader.page).to_have_url(re.compile("/console/password"))
    reader.open("/console/payments/operations/")
    expect(reader.page).to_have_url(re.compile("/console/password"))
    for name, value in (("present", "alma-tau-7-qar-barys"), ("new", NEW_PASSWORD), ("again", NEW_PASSWORD)):
        reader.page.fill(f"input[name={name}]", value)
    reader.page.click("main button[type=submit] >> nth=0")
    reader.page.wait_for_load_state()
    reader.open("/console/payments/operations/")
    expect(reader.page.locator("table.register tbody tr").first).to_be_visible()
    reader.page.click("header .menu summary")
    reader.page.click(".menu-box form[action$='sign-out'] button")
    reader.open("/console/payments/operations/")
    expect(reader.page).to_have_url(re.compile("/console/sign-in"))


def test_the_dashboard_moves_by_itself_and_rests_while_hidden(room: Room, market: Market) -> None:
    reader = room.seat()
    reader.sign_in("controller")
    reader.speak("en")
    page = reader.open("/console/payments/day")
    figure = page.locator("#live .figure").first
    before = figure.inner_text()
    pixel = page.locator("#live .card").nth(4).bounding_box()
    day = market.today.day
    OperationMinute.objects.create(
        day=day,
        minute=1,
        kind=Kind.PURCHASE,
        status=Status.ACCEPTED,
        reason="",
        operations=5_000,
        amount_tiyn=10,
        latency_ms=1,
    )
    newest = Operation.objects.latest("pk")
    newest.pk, newest.key, newest.day = time_ordered_id(newest.decided_at, 10**6), "live-one", day
    newest.save(force_insert=True)
    expect(figure).not_to_have_text(before)
    expect(page.locator("#live")).to_contain_text("live-one")
    assert page.locator("#live .card").nth(4).bounding_box() == pixel, "the layout jumped"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_timeout(200)
    asked.clear()
    page.wait_for_timeout(3_600)
    assert not asked, "a hidden page went on asking"


@pytest.mark.clause("EM-55.4")
def test_search_filter_sort_and_a_kept_query(room: Room, market: Market) -> None:
    reader = room.seat()
    reader.sign_in("duty")
    reader.speak("en")
    page = reader.open("/console/payments/operations/")
    page.select_option("select[name=status]", "2")
    page.click(".toolbar button:has-text('Apply')")
    expect(page).to_have_url(re.compile("status=2"))
    refused = Operation.objects.filter(status=Status.REFUSED).count()
    expect(page.locator("#register-count strong")).to_have_text(str(refused))
    page.click("th a:has-text('Amount')")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Amount")
    page.click(".bar summary:has-text('Queries')")
    page.fill("#query-name", "Refused, large first")
    page.click(".save-query button")
    expect(page.locator(".notice.good")).to_contain_text("Refused, large first")
    page.click("a:has-text('Show all')")
    expect(page.locator("#register-count strong")).to_have_text(str(len(market.operations)))
    page.click(".bar summary:has-text('Queries')")
    page.click(".saved a:has-text('Refused, large first')")
    expect(page.locator("#register-count strong")).to_have_text(str(refused))
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Amount")


def test_the_register_by_keyboard_and_by_pages(room: Room, market: Market) -> None:
    reader = room.seat()
    reader.sign_in("auditor")
    page = reader.open("/console/payments/operations/")
    first = page.locator("table.register tbody tr").first.inner_text()
    page.click("a[rel=next]")
    expect(page.locator("a[rel=prev]")).to_be_visible()
    page.click("a[rel=prev]")
    expect(page.locator("table.register tbody tr").first).to_have_text(re.compile(re.escape(first.split()[1])))
    page.keyboard.press("/")
    expect(page.locator("#id_q")).to_be_focused()
    page.locator("h1").click()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.current")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/operations/[0-9a-f-]{36}/"))


@pytest.mark.clause("EM-55.3")
def test_a_participant_is_registered_by_one_and_approved_by_another(room: Room, market: Market) -> None:
    duty = room.seat()
    duty.sign_in("duty")
    duty.speak("ru")
    page = duty.open("/console/payments/participants/new")
    page.click("button:has-text('Зарегистрировать и отправить')")
    expect(page.locator("#id_bin-error")).to_contain_text("Обязательное поле")
    fields = {
        "name_kk": "Самал банкі",
        "name_ru": "Банк «Самал»",
        "name_en": "Samal Bank",
        "bin": bin_of(777),
        "bic": "SAMAKZKA",
        "bank_code": "207",
        "contract_number": "2026/77",
        "contract_date": "2026-11-01",
        "settlement_iban": iban.make("101", f"{77:013d}"),
        "collateral_tiyn": "1 000 000,50",
        "net_debit_cap_tiyn": "500000",
    }
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)
    page.click("button:has-text('Зарегистрировать и отправить')")
    expect(page.locator(".notice.good")).to_contain_text("Утвердит другой человек")
    page.click("text=К решению")
    expect(page.locator("main")).to_contain_text("Вы предложили, поэтому решает другой человек.")
    expect(page.locator("button[value=approve]")).to_have_count(0)

    controller = room.seat()
    controller.sign_in("controller")
    controller.speak("kk")
    expect(controller.page.locator(".rail .badge")).to_contain_text("2")
    page = controller.open("/console/approvals/?state=waiting")
    page.click("tr:has-text('Самал банкі') a")
    expect(page.locator("main")).to_contain_text("Самал банкі")
    page.click("button[value=approve]")
    expect(page.locator(".notice.good")).to_contain_text("Бекітілді және орындалды")
    assert Participant.objects.get(bank_code="207").state == Participant.State.ACTIVE


def test_a_file_is_sent_in_and_watched(room: Room, market: Market, tmp_path: Path) -> None:
    reader = room.seat()
    reader.sign_in("duty")
    reader.speak("en")
    page = reader.open("/console/payments/files/upload")
    page.click("button:has-text('Send in')")
    expect(page.locator(".notice.bad")).to_contain_text("File")
    sent = tmp_path / "salaries.xml"
    sent.write_text("<Document/>", encoding="utf-8")
    page.select_option("select[name=participant]", str(market.banks[1].pk))
    page.set_input_files("input[type=file]", str(sent))
    page.click("button:has-text('Send in')")
    expect(page.locator("h1")).to_have_text("salaries.xml")
    expect(page.locator(".tag")).to_contain_text(["Taken in"])
    received = MessageFile.objects.get(name="salaries.xml")
    MessageFile.objects.filter(pk=received.pk).update(state="recording", transactions_total=200, transactions_done=50)
    expect(page.locator("#live")).to_contain_text("50 / 200")
    MessageFile.objects.filter(pk=received.pk).update(
        state="refused", reason="FF01", problem_line=7, problem_path="/Document/Nothing"
    )
    expect(page.locator(".notice.bad")).to_contain_text("wrong file format (FF01)")
    expect(page.locator(".notice.bad")).to_contain_text("/Document/Nothing")
    with page.expect_download() as download:
        page.click("#original")
    assert Path(download.value.path()).read_text(encoding="utf-8") == "<Document/>"


@pytest.mark.clause("PS-3.1.1")
def test_the_close_is_proposed_by_one_and_confirmed_by_another(room: Room, market: Market) -> None:
    duty = room.seat()
    duty.sign_in("duty")
    page = duty.open("/console/payments/day")
    page.click("#close-day")
    expect(page.locator(".notice.warn")).to_be_visible()
    page.click("main form button.main")
    expect(page).to_have_url(re.compile(r"/console/approvals/\d+/"))
    assert OperatingDay.objects.get(pk=market.today.day).state == "open"
    controller = room.seat()
    controller.sign_in("controller")
    controller.page.goto(page.url)
    controller.page.click("button[value=approve]")
    expect(controller.page.locator(".notice.good")).to_be_visible()
    assert OperatingDay.objects.get(pk=market.today.day).state != "open"


def test_language_and_scheme_are_kept(room: Room, market: Market) -> None:
    reader = room.seat()
    reader.sign_in("controller")
    for language in ("ru", "en", "kk"):
        reader.speak(language)
        assert reader.open("/console/payments/days/").locator("html").get_attribute("lang") == language
    page = reader.page
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("header .menu summary")
    page.click(".themes button[value=dark]")
    page.wait_for_load_state()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    # htmx notes the address of the present page, which the address bar shows anyway; nothing else is kept.
    kept = page.evaluate("[Object.keys(localStorage), Object.keys(sessionStorage)]")
    assert kept == [[], ["htmx-current-path-for-history"]]
    Staff.objects.get(login="controller", language="kk")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_is_wider_than_a_phone(room: Room, market: Market, dark: bool) -> None:
    reader = room.seat(size=NARROW, dark=dark)
    reader.sign_in("controller")
    one = market.operations[0]
    payments = "/console/payments"
    more = (
        f"{payments}/operations/{one.pk}/",
        f"{payments}/days/{market.yesterday.day}/",
        f"{payments}/files/{market.file.pk}/",
        f"{payments}/participants/{market.banks[1].code}/",
        f"/console/approvals/{market.approval.pk}/",
    )
    for address in (*PAGES, *more):
        reader.open(address)
        assert reader.overflow() <= 0, address
    reader.open("/console/payments/day")
    reader.page.click(".tabs a[href='#rail']")
    expect(reader.page.locator("#rail")).to_be_visible()
    reader.page.click("#rail a:has-text('IBAN'), #rail a[href='/console/payments/accounts/']")
    expect(reader.page).to_have_url(re.compile("/accounts/"))


def test_the_policy_forbids_what_is_written_into_a_page(room: Room, market: Market) -> None:
    reader = room.seat()
    reader.sign_in("auditor")
    for address in PAGES:
        reader.open(address)
        inside = reader.page.evaluate(
            "[...document.querySelectorAll('[style], style, script:not([src])')].map((one) => one.outerHTML)"
        )
        assert inside == [], address
    response = reader.page.request.get(f"{reader.url}/console/style")
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
