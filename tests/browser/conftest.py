"""One server and one Chromium for all tests, one page for each test.

A page must send requests only to the server and log no error.
"""

import json
import os
import queue
import re
import signal
import subprocess
import threading
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from recordings import SPEECH
from page_driver import PageDriver

START_S = 60
WAIT_MS = 60_000  # test machines are slow and busy

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="session")
def url():
    """Address of the server."""
    running = os.environ.get("PERSONA_URL")
    if running:
        yield running.rstrip("/") + "/"
        return
    command = [os.environ["PERSONA_ENGINE"], "serve", "--bind", "127.0.0.1:0", "--log", "off"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield address_of(server)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(START_S) == 0, "the server did not stop gracefully"


def address_of(server: subprocess.Popen) -> str:
    """The address that the server logs.

    The log is read to the end, so that the server never blocks on a full pipe.
    """
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in server.stderr], daemon=True).start()
    found = None
    while not found:
        line = lines.get(timeout=START_S)
        found = re.search(r"listening on (http://\S+/)", line)
    return found.group(1)


@pytest.fixture(scope="session")
def offered(url) -> set[str]:
    """Parameters of a prediction, from the server's OpenAPI document."""
    with urlopen(url + "openapi.json", timeout=START_S) as document:
        return set(json.load(document)["components"]["parameters"])


@pytest.fixture(autouse=True)
def skip_unsupported(request, offered):
    """A test marked `needs(option)` is skipped on a server without that option."""
    for option in (name for mark in request.node.iter_markers("needs") for name in mark.args):
        if option not in offered:
            pytest.skip(f"this server has no option `{option}`")


def pytest_configure(config):
    """Registers the mark, so that a misspelt one is an error."""
    config.addinivalue_line("markers", "needs(option): only on a server with this option")


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, with the repository's speech as its microphone."""
    arguments = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={SPEECH}",
        "--autoplay-policy=no-user-gesture-required",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=os.environ["PERSONA_CHROMIUM"], args=arguments)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, url: str):
    """Opens pages; afterwards checks their requests and their console."""
    opened = []

    def open_one(scheme: str = "light", width: int = 1280, **options) -> PageDriver:
        look = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "reduced_motion": "reduce"}
        context = browser.new_context(**look, **options)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        watched = watch(page)
        # `expect_file_chooser` enables the interception of file choosers asynchronously, and a key
        # press could open the chooser before that. A permanent listener keeps it enabled.
        page.on("filechooser", lambda chooser: None)
        page.goto(url)
        # Not `wait_for_function`: it polls with `eval`, which the content security policy forbids.
        expect(page.locator("#about-models > *").first).to_be_attached()
        opened.append((context, watched))
        return PageDriver(page)

    yield open_one
    for context, (requests, errors) in opened:
        context.close()
        outside = [address for address in requests if not is_own(address, url)]
        assert not outside, f"requests to other origins: {outside}"
        assert not errors, errors


def watch(page: Page):
    """Records the requests and the console errors of a page.

    A response with status 400 or more is not counted as an error.
    """
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: message.type == "error" and "Failed to load resource" not in message.text and errors.append(message.text),
    )
    return requests, errors


def is_own(address: str, url: str) -> bool:
    """Whether a URL belongs to the server, or is a blob of the page."""
    if address.startswith("blob:"):
        address = address.removeprefix("blob:")
    return urlsplit(address)[:2] == urlsplit(url)[:2]


@pytest.fixture
def the_page(open_page) -> PageDriver:
    """The page in its default state: light, 1280 pixels wide."""
    return open_page()
