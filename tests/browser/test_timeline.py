"""Play, seek, hover, keys."""

import re

import pytest
from playwright.sync_api import expect
from recordings import repeated
from the_page import ANSWER_MS

pytestmark = pytest.mark.needs("timeline")


@pytest.fixture
def chart(the_page, tmp_path):
    """The page with an answer of 30 seconds, which has thirty stretches of a second."""
    with the_page.page.expect_response("**/v1/predict*", timeout=ANSWER_MS) as answered:
        the_page.answer(repeated(tmp_path / "half.wav", 30))
    expect(the_page.slider).to_be_visible()
    the_page.stretches = answered.value.json()["timeline"]
    return the_page


def told(stretch) -> str:
    """How the page begins to tell of a stretch."""
    return stretch["emotion"]["label"].capitalize() if stretch["emotion"] else "No answer"


def place(chart) -> float:
    return float(chart.slider.get_attribute("aria-valuenow"))


def test_lanes_are_named_and_tell_the_best_by_more_than_colour(chart):
    names = chart.page.locator(".lane-names > span").all_inner_texts()
    assert names == ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]
    assert chart.page.locator(".lane").count() == 6
    tops = chart.page.locator(".lane-names > span").evaluate_all(
        "each => each.map((name) => Math.round(name.getBoundingClientRect().top))"
    )
    lanes = chart.page.locator(".lane").evaluate_all("each => each.map((lane) => Math.round(lane.getBoundingClientRect().top))")
    assert tops == pytest.approx(lanes, abs=2)


def test_keys_go_from_stretch_to_stretch(chart):
    chart.slider.focus()
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
        chart.page.keyboard.press(key)
        assert place(chart) == pytest.approx(expected, abs=0.01), key
    chart.page.keyboard.press("Home")
    chart.page.keyboard.press("ArrowRight")
    expect(chart.slider).to_have_attribute("aria-valuetext", re.compile(rf"^1 second\. {told(chart.stretches[1])}"))


def test_the_stretches_as_a_table(chart):
    chart.page.get_by_text("As a table").click()
    expect(chart.page.locator(".stretches tbody tr")).to_have_count(30)


def test_a_click_seeks_and_hovering_tells(chart):
    box = chart.slider.bounding_box()
    chart.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert place(chart) == pytest.approx(15, abs=0.2)
    chart.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    expect(chart.page.locator(".readout")).to_have_text(re.compile(rf"^0:07\.0 – 0:08\.0\s?{told(chart.stretches[7])}"))
    chart.page.mouse.move(box["x"], box["y"] - 200)
    expect(chart.page.locator(".readout-time")).to_have_text(re.compile(r"0:1[45]\.0 – 0:1[56]\.0"))


def test_it_plays_from_where_one_is_and_pauses(chart):
    chart.slider.focus()
    chart.page.keyboard.press("ArrowRight")
    chart.page.get_by_role("button", name="Play").click()
    expect(chart.page.get_by_role("button", name="Pause")).to_be_visible()
    expect(chart.page.locator(".chart-time")).to_have_text(re.compile(r"^0:(0[3-9]|[12]\d) /"))
    chart.page.get_by_role("button", name="Pause").click()
    expect(chart.page.get_by_role("button", name="Play")).to_be_visible()
    assert place(chart) > 2


def test_a_closed_answer_is_silent(chart):
    chart.page.get_by_role("button", name="Play").click()
    expect(chart.page.get_by_role("button", name="Pause")).to_be_visible()
    chart.page.locator(".file-toggle").click()
    chart.page.locator(".file-toggle").click()
    expect(chart.page.get_by_role("button", name="Play")).to_be_visible()


def test_what_the_browser_cannot_play_still_has_its_timeline(the_page, tmp_path):
    the_page.page.evaluate("""() => {
        OfflineAudioContext.prototype.decodeAudioData = () => Promise.reject(new Error());
        URL.createObjectURL = () => 'no-such-sound';
    }""")
    the_page.answer(repeated(tmp_path / "half.wav", 30))
    expect(the_page.page.locator(".chart.has-no-wave")).to_be_visible()
    expect(the_page.page.get_by_role("button", name="Play")).to_be_hidden()
    the_page.slider.press("ArrowRight")
    assert place(the_page) == 1
    expect(the_page.page.locator(".readout")).to_have_text(re.compile(r"^0:01\.0 – 0:02\.0\s?\S"))
