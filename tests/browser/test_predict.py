"""Select recordings, predict, read the report."""

import csv
import io
import json
import re

import pytest
from playwright.sync_api import expect
from recordings import AUDIO, SPEECH, html, repeated, silence

EMOTIONS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]


def test_choose_predict_see(the_page):
    expect(the_page.predict).to_be_disabled()
    the_page.choose(SPEECH)
    expect(the_page.row("speech.wav")).to_contain_text("133 kB")
    with the_page.page.expect_response("**/v1/predict*") as response:
        the_page.predict.click()
    report = response.value.json()
    panel = the_page.row("speech.wav").locator(".file-panel")
    expect(panel).to_be_visible()

    emotion = panel.locator(".head-emotion")
    assert emotion.locator("dt").all_inner_texts() == EMOTIONS
    shown = [float(re.sub(r"[^0-9.]", "", text)) for text in emotion.locator("dd").all_inner_texts()]
    expected = [100 * share for share in report["emotion"]["probabilities"].values()]
    assert shown == pytest.approx(expected, abs=0.1)
    expect(emotion.locator(".prediction")).to_contain_text(report["emotion"]["label"].capitalize())
    expect(panel.locator(".head-gender .prediction")).to_contain_text(report["gender"]["label"].capitalize())
    expect(panel.locator(".head-age .prediction")).to_contain_text(f"{round(report['age']['years'])} years")
    expect(panel.locator(".age-words")).to_contain_text(f"Between {round(report['age']['interval']['low_years'])} and")
    expect(panel.locator(".predicted-by")).to_contain_text(report["model"])
    expect(the_page.status).to_contain_text(f"speech.wav: {report['emotion']['label'].capitalize()}")


def test_the_waveform_is_drawn_and_bars_have_the_length_of_their_probability(the_page):
    the_page.predict_files(SPEECH)
    expect(the_page.page.locator(".wave-rest")).to_have_attribute("d", re.compile(r"^M.*z$"))
    bars = the_page.page.eval_on_selector_all(
        ".head-emotion .bar",
        """(bars) => bars.map((bar) => {
            const width = (part) => bar.querySelector(part).getBoundingClientRect().width;
            return [width('.bar-fill') / width('.bar-track'), parseFloat(bar.querySelector('.bar-number').textContent.replace(/[<>]/, ''))];
        })""",
    )
    assert len(bars) == 6
    for drawn, percent in bars:
        assert 100 * drawn == pytest.approx(percent, abs=1.5)  # a bar has at least two pixels


def test_an_html_file_named_wav_is_refused_with_a_message(the_page, tmp_path):
    the_page.predict_files(html(tmp_path / "holiday.wav"))
    row = the_page.row("holiday.wav")
    expect(row.locator(".file-problem-title")).to_have_text("This file format cannot be read.")
    expect(row.locator(".file-problem-detail")).to_contain_text("it looks like text, not sound")
    expect(row.get_by_role("button", name="Try again")).to_be_hidden()
    expect(row.locator(".file-toggle")).to_be_disabled()
    expect(the_page.status).to_contain_text("holiday.wav failed")


def test_silence_has_no_prediction_and_a_reason(the_page, tmp_path):
    the_page.predict_files(silence(tmp_path / "hush.wav"))
    panel = the_page.open("hush.wav")
    expect(panel.locator(".no-prediction")).to_contain_text(
        "The recording is silent. Check that the right microphone", use_inner_text=False
    )
    expect(panel.locator(".heads")).to_be_hidden()
    expect(the_page.row("hush.wav").locator(".file-note")).to_contain_text("No prediction: silence")


def test_of_several_files_one_is_open(the_page, tmp_path):
    the_page.predict_files(
        SPEECH,
        AUDIO / "clip-44k-stereo-j128.mp3",
        html(tmp_path / "page.wav"),
        silence(tmp_path / "hush.wav"),
        AUDIO / "clip-16k.flac",
    )
    states = [row.get_attribute("data-state") for row in the_page.rows.all()]
    assert states == ["done", "done", "failed", "done", "done"]
    opened = the_page.page.locator(".file-toggle[aria-expanded=true]")
    expect(opened).to_have_text("speech.wav")
    the_page.open("clip-16k.flac")
    expect(opened).to_have_text("clip-16k.flac")
    expect(the_page.page.locator(".file-panel:visible")).to_have_count(1)
    the_page.page.get_by_role("button", name="Remove page.wav").click()
    expect(the_page.rows).to_have_count(4)
    the_page.page.get_by_role("button", name="Clear the list").click()
    expect(the_page.rows).to_have_count(0)
    expect(the_page.page.locator("#choose")).to_be_focused()


def test_ten_minutes(the_page, tmp_path):
    the_page.page.get_by_role("combobox", name="Model").select_option("xvector-cnn")  # the faster model
    the_page.predict_files(repeated(tmp_path / "long.wav", 600))
    panel = the_page.open("long.wav")
    expect(panel.locator(".facts")).to_contain_text("10 min 0 s")
    expect(panel.locator(".wave-rest")).to_have_attribute("d", re.compile("z$"))
    the_page.slider.press("End")
    expect(the_page.slider).to_have_attribute("aria-valuenow", "600.00")


def test_downloads_are_the_report(the_page):
    with the_page.page.expect_response("**/v1/predict*") as response:
        the_page.predict_files(SPEECH)
    panel = the_page.open("speech.wav")
    name, text = saved(the_page, panel.get_by_role("button", name="JSON"))
    assert name == "speech.json" and json.loads(text) == response.value.json()


@pytest.mark.needs("timeline")
def test_the_csv_has_a_row_per_segment(the_page):
    with the_page.page.expect_response("**/v1/predict*") as response:
        the_page.predict_files(SPEECH)
    name, text = saved(the_page, the_page.open("speech.wav").get_by_role("button", name="CSV"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert name == "speech.csv" and len(rows) == len(response.value.json()["timeline"])
    assert (rows[0]["file"], rows[0]["start_s"]) == ("speech.wav", "0")
    assert sum(float(rows[0][f"emotion_{emotion}"]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-4)


def test_all_results_as_one_file(the_page, tmp_path):
    the_page.predict_files(silence(tmp_path / "a, b.wav"), SPEECH)
    every = the_page.page.locator("#files-all")
    rows = list(csv.DictReader(io.StringIO(saved(the_page, every.get_by_role("button", name="CSV"))[1])))
    assert [row["file"] for row in rows] == ["a, b.wav", "speech.wav"]
    assert (rows[0]["no_answer"], rows[0]["emotion"], rows[1]["no_answer"]) == ("silence", "", "")
    reports = json.loads(saved(the_page, every.get_by_role("button", name="JSON"))[1])
    assert [report["file"] for report in reports] == ["a, b.wav", "speech.wav"]


@pytest.mark.needs("per_channel")
def test_separate_channels(the_page, tmp_path):
    the_page.page.get_by_label("Separate predictions for each channel").check()
    with the_page.page.expect_response("**/v1/predict*") as response:
        the_page.predict_files(repeated(tmp_path / "call.wav", 6, channels=2))
    first = response.value.json()["per_channel"][0]
    panel = the_page.open("call.wav")
    expect(panel.get_by_label("Channel 1")).to_be_checked()
    expect(panel.locator(".head-emotion .prediction")).to_contain_text(first["emotion"]["label"].capitalize())
    panel.get_by_label("Channel 2").check(force=True)
    expect(panel.locator(".head-emotion .bar")).to_have_count(6)


def test_the_selected_model_predicts(the_page):
    models = the_page.page.get_by_role("combobox", name="Model")
    expect(models).to_have_value("campplus-fcn")
    models.select_option("xvector-cnn")
    the_page.predict_files(SPEECH)
    panel = the_page.open("speech.wav")
    panel.get_by_role("button", name="xvector-cnn").click()
    expect(the_page.page.get_by_role("dialog")).to_contain_text("Unseen speakers")
    expect(the_page.page.get_by_role("dialog")).to_contain_text("article 5(1)(f)")
    the_page.page.keyboard.press("Escape")
    expect(the_page.page.get_by_role("dialog")).to_be_hidden()
    expect(panel.get_by_role("button", name="xvector-cnn")).to_be_focused()


def saved(the_page, button):
    """Name and content of the file that a button saves."""
    with the_page.page.expect_download() as download:
        button.click()
    return download.value.suggested_filename, download.value.path().read_text(encoding="utf-8")
