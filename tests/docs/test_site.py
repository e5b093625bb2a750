"""The documentation site: its strict build passes and refuses a broken link, and its pages ask no other host."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.site import ROOT, prepare

pytestmark = pytest.mark.needs("mkdocs")

BIN = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium")
# What a browser fetches by itself: scripts, style sheets, pictures, fonts.
FETCHED = re.compile(r"""(?:\bsrc=|<link[^>]+href=|@import\s*(?:url\()?|url\()["']?(https?:)?//""")


def build(folder: Path, change=None):
    """Build the site below a folder, after `change` of its documents; return the finished process and the site."""
    prepare(folder / "docs")
    if change is not None:
        change(folder / "docs")
    settings = (ROOT / "mkdocs.yml").read_text().replace("build/docs", "docs").replace("build/site", "site")
    settings = settings.replace("paths: [.]", f"paths: [{ROOT}]")
    (folder / "mkdocs.yml").write_text(settings)
    done = subprocess.run(
        [BIN / "mkdocs", "build"],
        cwd=folder,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, folder / "site"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    done, folder = build(tmp_path_factory.mktemp("site"))
    assert done.returncode == 0, done.stderr
    return folder


def test_site_builds_strictly_and_each_page_of_the_navigation_is_there(site):
    pages = re.findall(
        r"^ +- (?:[^:\n]+: )?([\w/-]+)\.md$|^  - [^:\n]+: ([\w/-]+)\.md$",
        (ROOT / "mkdocs.yml").read_text(),
        re.MULTILINE,
    )
    names = [first or second for first, second in pages]
    assert len(names) > 30
    for name in names:
        assert (site / f"{re.sub('README$', 'index', name)}.html").is_file(), name
    assert "proceed" in (site / "api/contract.html").read_text()


def test_site_lists_each_documented_parameter_by_itself(site):
    """A docstring line `name, version: ...` would become one parameter called `name,`."""
    pages = list((site / "api").glob("*.html"))
    assert len(pages) > 2
    assert {page.name: re.findall(r"<code[^>]*>(\w+,)</code>", page.read_text()) for page in pages} == {
        page.name: [] for page in pages
    }


def test_site_pages_name_no_other_host_to_fetch_from(site):
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > 100
    assert {str(file): FETCHED.search(file.read_text())[0] for file in files if FETCHED.search(file.read_text())} == {}


def test_site_with_a_broken_link_or_heading_is_refused(tmp_path):
    def change(docs):
        (docs / "glossary.md").write_text("# Glossary\n\n[a](missing.md) [b](privacy.md#missing)\n")

    done, _ = build(tmp_path, change)
    assert done.returncode != 0
    assert "'missing.md'" in done.stderr and "'#missing'" in done.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
def test_site_in_a_browser_asks_no_other_host_and_is_searched(site):
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    from playwright.sync_api import sync_playwright

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page()
            asked, errors = [], []
            page.on("request", lambda request: asked.append(request.url))
            page.on("pageerror", lambda error: errors.append(str(error)))
            for name in ("index", "reference/settings", "api/contract"):
                page.goto(f"{url}/{name}.html")
            page.locator("input.md-search__input").fill("rollback floor", force=True)
            page.locator(".md-search-result__link").first.wait_for(state="attached", timeout=20_000)
            browser.close()
    finally:
        server.shutdown()
        server.server_close()
    assert errors == [] and len(asked) > 10
    assert [address for address in asked if not address.startswith((url, "data:", "blob:"))] == []
