"""Speaker diarization: a row for each, names that can be changed in place, downloads under these names."""

import os
import subprocess

import pytest
from playwright.sync_api import expect
from recordings import repeated
from page_driver import REPORT_MS


@pytest.fixture
def spoken(the_page, tmp_path):
    """The page with the report of 12 seconds of speech, with speaker diarization."""
    the_page.page.get_by_label("Tell speakers apart").check()
    with the_page.page.expect_response("**/v1/predict*", timeout=REPORT_MS) as response:
        the_page.predict_files(repeated(tmp_path / "talk one.wav", 12))
    the_page.speakers = response.value.json()["speakers"]
    expect(the_page.page.locator(".speaker-row")).to_have_count(len(the_page.speakers))
    return the_page


@pytest.mark.needs("speakers")
def test_rows_contain_the_turns_and_are_aligned_with_their_names(spoken):
    turns = sum(len(voice["turns"]) for voice in spoken.speakers)
    expect(spoken.page.locator(".turn")).to_have_count(turns)
    middle = "each => each.map((one) => { const { top, height } = one.getBoundingClientRect(); return top + height / 2; })"
    names = spoken.page.locator(".speaker-name").evaluate_all(middle)
    assert names == pytest.approx(spoken.page.locator(".speaker-row").evaluate_all(middle), abs=2)
    assert spoken.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.needs("speakers")
def test_a_changed_name_is_in_the_downloads(spoken):
    name = spoken.page.get_by_label("Name of speaker 1")
    name.fill("  Ms Ünal ")
    name.press("Enter")
    expect(name).to_have_value("Ms Ünal")
    for kind, expected in [
        ("RTTM", "SPEAKER talk_one 1 "),
        ("RTTM", " <NA> <NA> Ms_Ünal <NA> <NA>\n"),
        ("CSV", ",Ms Ünal,"),
        ("JSON", '"name":"Ms Ünal"'),
    ]:
        with spoken.page.expect_download() as download:
            spoken.page.get_by_role("button", name=kind, exact=True).last.click()
        assert expected in download.value.path().read_text(encoding="utf-8"), kind
    name.fill("")
    name.press("Enter")
    expect(name).to_have_value("Speaker 1")


@pytest.mark.skipif("PERSONA_ENGINE" not in os.environ, reason="PERSONA_URL is set: there is no program to run")
@pytest.mark.parametrize("width", [1280, 390])
def test_an_exported_page_has_the_same_rows(browser, tmp_path, width):
    recording = repeated(tmp_path / "talk.wav", 12)
    options = ["--speakers", "--html", tmp_path / "talk.html"]
    subprocess.run([os.environ["PERSONA_ENGINE"], "infer", recording, *options], check=True, stdout=subprocess.DEVNULL)
    context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "talk.html").as_uri())
    name = page.get_by_label("Name of speaker 1")
    name.fill("Ann")
    expect(page.locator(".summary [data-speaker='1']")).to_have_text("Ann")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as RTTM").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert text.startswith("SPEAKER talk 1 ") and " Ann " in text
    assert text.count("\n") == page.locator(".turn").count()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert errors == []
    context.close()
