"""The timeline component: play, seek, hover, keys, zoom."""

import re

import pytest
from playwright.sync_api import expect
from recordings import repeated
from page_driver import REPORT_MS

pytestmark = pytest.mark.needs("timeline")


@pytest.fixture
def timeline(the_page, tmp_path):
    """The page with the report of 30 seconds of speech: thirty segments of one second."""
    with the_page.page.expect_response("**/v1/predict*", timeout=REPORT_MS) as response:
        the_page.predict_files(repeated(tmp_path / "half.wav", 30))
    expect(the_page.slider).to_be_visible()
    the_page.segments = response.value.json()["timeline"]
    return the_page


def text_of(segment) -> str:
    """Beginning of the page's text of a segment."""
    return segment["emotion"]["label"].capitalize() if segment["emotion"] else "No prediction"


def position(timeline) -> float:
    return float(timeline.slider.get_attribute("aria-valuenow"))


def test_rows_are_named_and_aligned_with_their_names(timeline):
    names = timeline.page.locator(".row-name").all_inner_texts()
    assert names == ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "gender, age"]
    assert timeline.page.locator(".emotion-row").count() == 6
    tops = timeline.page.locator(".row-name").evaluate_all(
        "each => each.map((name) => Math.round(name.getBoundingClientRect().top))"
    )
    rows = timeline.page.locator(".emotion-row").evaluate_all("each => each.map((row) => Math.round(row.getBoundingClientRect().top))")
    assert tops[:6] == pytest.approx(rows, abs=2)


def test_keys_move_by_segments(timeline):
    timeline.slider.focus()
    for key, expected in [
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("PageUp", 11),
        ("End", 30),
        ("PageUp", 30),
        ("Home", 0),
        ("ArrowLeft", 0),
        ("PageDown", 0),
    ]:
        timeline.page.keyboard.press(key)
        assert position(timeline) == pytest.approx(expected, abs=0.01), key
    timeline.page.keyboard.press("Home")
    timeline.page.keyboard.press("ArrowRight")
    expect(timeline.slider).to_have_attribute("aria-valuetext", re.compile(rf"^1 second\. {text_of(timeline.segments[1])}"))


def test_the_segments_as_a_table(timeline):
    timeline.page.get_by_text("As a table").click()
    expect(timeline.page.locator(".segments tbody tr")).to_have_count(30)


def test_a_click_seeks_and_hovering_shows_numbers(timeline):
    timeline.slider.scroll_into_view_if_needed()
    box = timeline.slider.bounding_box()
    timeline.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert position(timeline) == pytest.approx(15, abs=0.2)
    timeline.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    expect(timeline.page.locator(".readout")).to_have_text(re.compile(rf"^0:07\.0 – 0:08\.0\s?{text_of(timeline.segments[7])}"))
    timeline.page.mouse.move(box["x"], box["y"] - 200)
    expect(timeline.page.locator(".readout-time")).to_have_text(re.compile(r"0:1[45]\.0 – 0:1[56]\.0"))


def test_it_plays_from_the_position_and_pauses(timeline):
    timeline.slider.focus()
    timeline.page.keyboard.press("ArrowRight")
    timeline.page.get_by_role("button", name="Play").click()
    expect(timeline.page.get_by_role("button", name="Pause")).to_be_visible()
    expect(timeline.page.locator(".timeline-time")).to_have_text(re.compile(r"^0:(0[3-9]|[12]\d) /"))
    timeline.page.get_by_role("button", name="Pause").click()
    expect(timeline.page.get_by_role("button", name="Play")).to_be_visible()
    assert position(timeline) > 2


def test_a_closed_report_is_silent(timeline):
    timeline.page.get_by_role("button", name="Play").click()
    expect(timeline.page.get_by_role("button", name="Pause")).to_be_visible()
    timeline.page.locator(".file-toggle").click()
    timeline.page.locator(".file-toggle").click()
    expect(timeline.page.get_by_role("button", name="Play")).to_be_visible()


def test_a_recording_that_the_browser_cannot_play_has_a_timeline(the_page, tmp_path):
    the_page.page.evaluate("""() => {
        OfflineAudioContext.prototype.decodeAudioData = () => Promise.reject(new Error());
        URL.createObjectURL = () => 'no-such-sound';
    }""")
    the_page.predict_files(repeated(tmp_path / "half.wav", 30))
    expect(the_page.page.locator(".timeline.has-no-wave")).to_be_visible()
    expect(the_page.page.get_by_role("button", name="Play")).to_be_hidden()
    the_page.slider.press("ArrowRight")
    assert position(the_page) == 1
    expect(the_page.page.locator(".readout")).to_have_text(re.compile(r"^0:01\.0 – 0:02\.0\s?\S"))
