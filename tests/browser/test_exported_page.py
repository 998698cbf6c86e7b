"""The page that `infer --html` writes: one file that works from `file://`, without a server."""

import os
import re
import subprocess

import pytest
from playwright.sync_api import expect
from recordings import repeated

EMOTIONS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]

pytestmark = pytest.mark.skipif("PERSONA_ENGINE" not in os.environ, reason="PERSONA_URL is set: there is no program to run")


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """The page of a stereo recording of 40 seconds, with separate channels and embedded audio."""
    folder = tmp_path_factory.mktemp("exported")
    call = repeated(folder / "call.wav", 40, channels=2)
    options = ["--model", "xvector-cnn", "--per-channel", "--embed-audio", "--html", folder / "call.html"]
    subprocess.run([os.environ["PERSONA_ENGINE"], "infer", *options, call], check=True, stdout=subprocess.DEVNULL)
    return (folder / "call.html").as_uri()


@pytest.fixture
def open_exported(browser, exported):
    """Opens the page; afterwards checks that it requested nothing else and logged no error."""
    opened = []

    def open_one(width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        requests, errors = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(exported)
        opened.append((context, requests, errors))
        return page

    yield open_one
    for context, requests, errors in opened:
        context.close()
        assert [url for url in requests if not url.startswith(("data:", exported))] == []
        assert errors == []


def test_both_channels_have_waveform_and_rows_over_one_axis(open_exported):
    page = open_exported()
    assert page.locator(".row-name").all_inner_texts() == 2 * [*EMOTIONS, "gender, age"]
    assert page.locator(".voice-name").all_inner_texts() == ["channel 1", "channel 2"]
    for wave in page.locator(".wave-rest").all():
        expect(wave).to_have_attribute("d", re.compile("^M.*z$"))
    assert page.get_by_role("slider", name="Position in the recording").count() == 1


def test_hovering_shows_the_numbers_of_both_channels(open_exported):
    page = open_exported()
    slider = page.get_by_role("slider", name="Position in the recording")
    box = slider.bounding_box()
    slider.hover(position={"x": box["width"] * 0.51, "y": 20})
    expect(page.locator(".readout-time")).to_have_text("0:20.0 – 0:21.0")
    lines = page.locator(".readout-voice").all_inner_texts()
    assert [line.split(":")[0] for line in lines] == ["channel 1", "channel 2"]
    assert all(emotion in lines[0].lower() for emotion in EMOTIONS)


def test_it_plays_and_zooms(open_exported):
    page = open_exported(width=375)
    slider = page.get_by_role("slider", name="Position in the recording")
    narrow = slider.bounding_box()["width"]
    page.get_by_role("button", name="Zoom in").click()
    assert slider.bounding_box()["width"] == pytest.approx(2 * narrow, abs=1)
    slider.press("End")
    assert page.locator(".timeline-scroll").evaluate("(scroller) => scroller.scrollLeft") > narrow / 2
    page.get_by_role("button", name="Zoom out").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    slider.press("Home")
    slider.press(" ")
    expect(page.locator(".timeline-time")).to_have_text(re.compile(r"^0:0[1-9] /"))


def test_summary_and_table_need_no_script(open_exported):
    page = open_exported(java_script_enabled=False)
    summary = page.locator("table.summary")
    expect(summary).to_contain_text("channel 2")
    expect(summary).to_contain_text("sadness")
    expect(page.locator("noscript p")).to_contain_text("needs JavaScript")
    page.locator("details summary").click()
    assert page.locator("details tbody tr").count() >= 2
    expect(page.locator("main")).to_contain_text("article 5(1)(f)")
