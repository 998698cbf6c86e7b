"""A server that is busy, down, faulty or protected by a token, and incomplete reports.

Responses are mocked in the browser.
"""

import json

import pytest
from playwright.sync_api import expect
from recordings import SPEECH, silence

PREDICT = "**/v1/predict*"


@pytest.fixture
def report():
    """A report as the server sends it, with all heads."""
    return {
        "schema": 1,
        "file": "speech.wav",
        "duration_s": 4.0,
        "sample_rate_hz": 16000,
        "channels": 1,
        "emotion": {"label": "anger", "probabilities": {"anger": 0.7, "sadness": 0.3}},
        "gender": {"label": "female", "probabilities": {"female": 0.9, "male": 0.1}},
        "age": {"years": 30.5, "interval": {"low_years": 20, "high_years": 40, "coverage": 0.8}},
        "withheld": [],
        "speech_s": 3.0,
        "input": None,
        "no_answer": None,
        "windows": 1,
        "model": "m",
        "model_sha256": "0",
        "timings_ms": {"total": 12.0},
        "warnings": [],
        "timeline": [],
    }


def respond(the_page, *replies):
    """Sets the next responses to predictions: each a status, a body and headers."""
    left = list(replies)

    def reply(route):
        status, body, headers = left.pop(0)
        route.fulfill(status=status, body=body if isinstance(body, str) else json.dumps(body), headers=headers)

    the_page.page.route(PREDICT, reply)


def test_a_busy_server_is_retried(the_page, report):
    is_busy = True

    def reply(route):
        if is_busy:
            refusal = {"title": "Too Many Requests", "reason": "queue_full", "detail": "the queue is full"}
            route.fulfill(status=429, json=refusal, headers={"Retry-After": "2"})
        else:
            route.fulfill(json=report)

    the_page.page.route(PREDICT, reply)
    the_page.choose(SPEECH)
    the_page.predict.click()
    expect(the_page.row("speech.wav")).to_contain_text("The server is busy; retrying in 2 s")
    is_busy = False
    expect(the_page.row("speech.wav")).to_contain_text("Anger 70.0")


def test_a_lost_connection_can_be_retried(the_page, report):
    the_page.page.route(PREDICT, lambda route: route.abort("connectionreset"))
    the_page.predict_files(SPEECH)
    row = the_page.row("speech.wav")
    expect(row).to_contain_text("The connection was lost before a response arrived.")
    the_page.page.unroute(PREDICT)
    respond(the_page, (200, report, {}))
    row.get_by_role("button", name="Try again").click()
    expect(row).to_contain_text("Anger 70.0")


@pytest.mark.parametrize("body", ["<html>gateway</html>", "{", "[]", ""])
def test_other_errors_than_problem_documents_are_shown(the_page, body):
    respond(the_page, (502, body, {}))
    the_page.predict_files(SPEECH)
    expect(the_page.row("speech.wav")).to_contain_text("The server refused the request.")


def test_an_unreadable_response_is_shown(the_page):
    respond(the_page, (200, "<html>", {}))
    the_page.predict_files(SPEECH)
    expect(the_page.row("speech.wav")).to_contain_text("The response cannot be read.")


def test_cancel(the_page, tmp_path):
    the_page.page.route(PREDICT, lambda route: None)
    the_page.choose(SPEECH, silence(tmp_path / "second.wav"))
    the_page.predict.click()
    expect(the_page.cancel).to_be_focused()
    expect(the_page.page.locator("#actions-note")).to_have_text("0 of 2 done")
    expect(the_page.row("speech.wav").get_by_role("progressbar")).to_be_visible()
    the_page.cancel.click()
    the_page.wait()
    assert [row.get_attribute("data-state") for row in the_page.rows.all()] == ["ready", "ready"]
    expect(the_page.predict).to_be_enabled()


def test_removing_the_running_row_starts_the_next(the_page, report, tmp_path):
    requests = []

    def all_but_the_first(route):
        requests.append(route)
        if len(requests) > 1:
            route.fulfill(json=report)

    the_page.page.route(PREDICT, all_but_the_first)
    the_page.choose(SPEECH, silence(tmp_path / "second.wav"))
    with the_page.page.expect_request(PREDICT):
        the_page.predict.click()
    the_page.page.get_by_role("button", name="Remove speech.wav").click()
    expect(the_page.row("second.wav")).to_contain_text("Anger 70.0")
    expect(the_page.rows).to_have_count(1)


def test_a_token_is_requested_once(the_page, report):
    seen = []

    def reply(route):
        seen.append(route.request.headers.get("authorization"))
        if seen[-1] == "Bearer s3cret":
            route.fulfill(status=200, body=json.dumps(report))
        else:
            route.fulfill(status=401, body=json.dumps({"reason": "token", "detail": "a token is needed"}))

    the_page.page.route(PREDICT, reply)
    the_page.choose(SPEECH)
    the_page.predict.click()
    dialog = the_page.page.get_by_role("dialog", name="This server requires a token")
    dialog.get_by_label("Token").fill("s3cret")
    dialog.get_by_role("button", name="Continue").click()
    expect(the_page.row("speech.wav")).to_contain_text("Anger 70.0")
    assert seen == [None, "Bearer s3cret"]


def test_a_server_with_a_token_asks_for_it_at_the_start(the_page):
    def reply(route):
        if route.request.headers.get("authorization") == "Bearer s3cret":
            route.fulfill(status=200, body=json.dumps({"default": "b", "models": [{"name": "a"}, {"name": "b"}]}))
        else:
            route.fulfill(status=401, body=json.dumps({"reason": "token", "detail": "a token is needed"}))

    the_page.page.route("**/v1/models", reply)
    the_page.page.reload()
    dialog = the_page.page.get_by_role("dialog", name="This server requires a token")
    for token in ("wrong", "s3cret"):
        dialog.get_by_label("Token").fill(token)
        the_page.page.keyboard.press("Enter")
    expect(the_page.page.get_by_role("combobox", name="Model")).to_have_value("b")


def test_only_supported_options_are_sent(the_page, report):
    requests = []
    the_page.page.route("**/openapi.json", lambda route: route.fulfill(json={"components": {"parameters": {"model": {}}}}))
    the_page.page.route(PREDICT, lambda route: (requests.append(route.request.url), route.fulfill(json=report)))
    the_page.page.reload()
    the_page.predict_files(SPEECH)
    assert len(requests) == 1 and requests[0].endswith("/v1/predict?model=campplus-fcn")
    expect(the_page.page.get_by_label("Separate predictions for each channel")).to_be_hidden()
    expect(the_page.open("speech.wav").locator(".emotion-row")).to_have_count(0)


def test_disabled_heads_are_not_shown(the_page, report):
    shortened = {key: value for key, value in report.items() if key not in ("gender", "age")}
    respond(the_page, (200, shortened, {}))
    the_page.predict_files(SPEECH)
    panel = the_page.open("speech.wav")
    expect(panel.locator(".head-emotion")).to_be_visible()
    expect(panel.locator(".head-gender")).to_be_hidden()
    expect(panel.locator(".head-age")).to_be_hidden()


def test_a_withheld_prediction_is_shown_with_its_reason(the_page, report):
    held = {"head": "emotion", "reason": "low_confidence", "confidence": 0.41, "asked": 0.6}
    respond(the_page, (200, {**report, "emotion": None, "withheld": [held], "age": {"years": 30, "interval": None}}, {}))
    the_page.predict_files(SPEECH)
    panel = the_page.open("speech.wav")
    expect(panel.locator(".head-emotion")).to_contain_text("Withheld: confidence 41.0 %, at least 60.0 % requested.")
    expect(panel.locator(".age-words")).to_have_text("This model states no interval.")


@pytest.mark.parametrize(
    "reason, text",
    [
        ("too_short", "too short for a prediction"),
        ("no_speech", "contains no speech"),
        ("clipped", "is clipped"),
        ("too_noisy", "no louder than the noise"),
        ("low_confidence", "requested confidence"),
        ("new_reason", "“new reason”"),
    ],
)
def test_every_reason_has_a_text(the_page, report, reason, text):
    respond(the_page, (200, {**report, "emotion": None, "gender": None, "age": None, "no_answer": {"reason": reason}}, {}))
    the_page.predict_files(SPEECH)
    expect(the_page.open("speech.wav").locator(".no-prediction-reason")).to_contain_text(text)


def test_warnings_are_shown(the_page, report):
    respond(the_page, (200, {**report, "warnings": ["sound ends at 3.4 kHz"]}, {}))
    the_page.predict_files(SPEECH)
    expect(the_page.open("speech.wav").locator(".warnings")).to_have_text("sound ends at 3.4 kHz")
