"""The status page in a real browser, with a running service that has two workers."""

import os
import re
import shutil
from contextlib import contextmanager
from itertools import pairwise

import httpx
import numpy as np
import pytest

from tests.e2e.conftest import State, serving

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with serving(
        State(tmp_path_factory.mktemp("status")), environment={"BENTOML_CONFIG_OPTIONS": "services.digits.workers=2"}
    ) as running:
        picture = (running.state.folder / "digit.png").read_bytes()
        for _ in range(12):
            assert running.client.post("/classify", files={"image": ("7.png", picture)}).status_code == 200
        for _ in range(5):
            httpx.get(f"{running.url}/v2/models/digits-cnn")
        advertising = {"governance-purpose": "advertising"}
        running.client.post("/classify", files={"image": ("7.png", picture)}, headers=advertising)
        running.client.post("/classify", files={"image": ("7.png", np.zeros(9).tobytes())})
        yield running


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@contextmanager
def page_of(browser, own, **options):
    """Open the page; assert that it requests no other host and violates no rule of its content security policy."""
    context = browser.new_context(**options)
    page = context.new_page()
    requested, logged = [], []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: logged.append(message.text))
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.goto(f"{own.url}/governance/")
    yield page
    context.close()
    assert all(url.startswith(own.url) for url in requested)
    # The browser itself logs a request that was refused because of its key.
    assert [text for text in logged if not any(status in text for status in ("401", "403", "503"))] == []


def enter(page, key):
    page.get_by_label("API key or token").fill(key)
    page.keyboard.press("Enter")


def test_status_page_shows_models_traffic_refusals_and_the_audit_log(browser, own, tmp_path):
    with page_of(browser, own, viewport={"width": 1200, "height": 900}) as page:
        enter(page, own.state.token)
        page.get_by_text("Healthy").wait_for()
        assert page.title() == "digits: ok"
        models = page.locator("#models tr")
        assert models.count() == 2
        assert models.first.locator("th").inner_text() == "digits-cnn"
        assert "ready" in models.first.inner_text() and "cpu" in models.first.inner_text()
        # The numbers of the other worker may be a second old; the next refresh shows them.
        for reason in ("unauthenticated", "forbidden"):
            page.locator("#refusals").get_by_text(reason).wait_for(timeout=20_000)
        assert "digits-cnn" in page.locator("#by-model").inner_text()
        assert page.locator("#log tr").count() == 2
        page.screenshot(path=tmp_path / "light.png", full_page=True)
        keep(tmp_path / "light.png")


def test_status_page_requests_nothing_before_somebody_signs_in(browser, own):
    with page_of(browser, own) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        page.get_by_label("API key or token").wait_for()
        page.wait_for_timeout(500)
        assert asked and not [url for url in asked if url.endswith("/status")]


def test_status_page_folds_drift_that_is_not_raised_and_shortens_tiny_numbers(browser, own, tmp_path):
    small = {"model": "digits-cnn", "ks": 0.01, "chi2_p": 1e-300, "out_of_range_ratio": 0.0, "missing_ratio": 0.0}
    rows = [{**small, "subject": f"subject {n}", "psi": psi} for n, psi in enumerate((0.4, 0.1, 0.0999, 0.0))]
    document = {**own.client.get("/governance/status").json(), "drift": rows}
    with page_of(browser, own, viewport={"width": 375, "height": 800}) as page:
        page.route("**/governance/status", lambda route: route.fulfill(json=document))
        enter(page, own.state.token)
        page.get_by_text("subject 0").wait_for()
        assert page.locator("#drift tr").count() == 2 and page.get_by_text("subject 2").is_hidden()
        page.get_by_text("2 that are not raised").click()
        assert page.locator("#drift-steady tr").count() == 2 and page.get_by_text("subject 2").is_visible()
        cell = page.locator("#drift tr").first.locator("td").nth(3)
        assert cell.inner_text() == "< 0.001"
        assert cell.evaluate("e => getComputedStyle(e).textAlign") == "right"
        # The table is wider than a phone, and a shadow at its edge shows that it scrolls.
        wide = page.locator(".wide").filter(has=page.locator("#drift"))
        assert wide.evaluate(
            "e => e.scrollWidth > e.clientWidth && getComputedStyle(e).backgroundImage.includes('gradient')"
        )
        page.screenshot(path=tmp_path / "drift.png", full_page=True)
        keep(tmp_path / "drift.png")


def test_status_page_is_live_and_can_be_paused_by_keyboard(browser, own):
    with page_of(browser, own) as page:
        enter(page, own.state.token)
        page.locator("#spark path.line").wait_for(state="attached", timeout=20_000)
        pause = page.get_by_role("button", name="Pause")
        pause.focus()
        page.keyboard.press("Enter")
        assert page.get_by_role("button", name="Resume").is_visible()


def test_status_page_reports_a_service_that_does_not_answer(browser, own):
    with page_of(browser, own) as page:
        enter(page, own.state.token)
        page.get_by_text("Healthy").wait_for()
        page.route(
            "**/governance/status",
            lambda route: route.fulfill(status=503, json={"detail": "the audit log cannot be written"}),
        )
        page.get_by_text("No answer since").wait_for(timeout=20_000)
        assert "critical" in page.locator("#state").get_attribute("class") and "no answer" in page.title()
        page.unroute("**/governance/status")
        page.get_by_text("Healthy").wait_for(timeout=20_000)


def test_status_page_supports_dark_mode_and_phone_width(browser, own, tmp_path):
    with page_of(browser, own, viewport={"width": 375, "height": 800}, color_scheme="dark") as page:
        enter(page, own.state.token)
        page.get_by_text("Healthy").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        keep(tmp_path / "phone.png")


def test_status_page_reports_a_stopped_model(browser, own):
    settings = "bentos/digits/governance.toml"
    assert own.state.cli("stop", "digits-rnn", "--reason", "drill", "--settings", settings).returncode == 0
    try:
        with page_of(browser, own) as page:
            enter(page, own.state.token)
            page.get_by_text("digits-rnn is stopped by an operator").wait_for(timeout=20_000)
            # An operator's decision is no failure.
            assert page.title() == "digits: warning"
            assert "warning" in page.locator("#models .word").get_by_text("stopped").get_attribute("class")
    finally:
        own.state.cli("resume", "ALL", "--reason", "drill", "--settings", settings)


def test_status_page_shows_a_refusal_and_no_numbers_without_permission(browser, own):
    visitor = own.state.api_key("create", "visitor", "--role", "viewer")
    with page_of(browser, own) as page:
        for key in ("wrong", visitor):
            enter(page, key)
            # Not wait_for_function: while it waits it evaluates texts, which the page's own policy forbids.
            page.locator("#refusal").filter(has_text=re.compile(".")).wait_for(state="attached")
            assert page.locator("#numbers").is_hidden()
            assert page.locator("#models tr").count() == 0


def test_status_page_controls_have_names_and_headings_are_in_order(browser, own):
    with page_of(browser, own) as page:
        enter(page, own.state.token)
        page.get_by_text("Healthy").wait_for()
        levels = page.eval_on_selector_all("h1,h2,h3", "all => all.filter(h => h.offsetParent).map(h => +h.tagName[1])")
        assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))
        for control in page.locator("button, input, [role=img], [role=region], section").all():
            name = control.evaluate(
                "e => e.getAttribute('aria-labelledby') || e.labels?.length || e.textContent.trim()"
            )
            assert name, control
        assert page.locator("html").get_attribute("lang") == "en"


def test_status_page_routes_are_closed_except_page_and_status(own):
    for path in ("/governance", "/governance/index.html", "/governance/../host.py", "/governance/page.js/"):
        assert own.client.get(path).status_code == 404
    stranger = httpx.get(f"{own.url}/governance/")
    assert stranger.status_code == 200
    assert stranger.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert httpx.get(f"{own.url}/governance/status").status_code == 401


def keep(picture):
    """Copy a screenshot to the directory in KEEP_SCREENSHOTS, if that is set."""
    if "KEEP_SCREENSHOTS" in os.environ:
        shutil.copy(picture, os.environ["KEEP_SCREENSHOTS"])
