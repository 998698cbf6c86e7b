"""Recordings dropped, pasted and recorded, and file names with markup."""

import base64
import io
import re
import wave

from playwright.sync_api import expect
from recordings import SPEECH

TRANSFER = """([name, base64]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type: 'audio/wav' }));
    return transfer;
}"""

KEEP_WHAT_IS_SENT = """() => {
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (form) {
        window.sent = form.get('file');
        return send.call(this, form);
    };
}"""


def speech_as(the_page, name):
    return the_page.page.evaluate_handle(TRANSFER, [name, base64.b64encode(SPEECH.read_bytes()).decode()])


def test_dropped(the_page):
    transfer = speech_as(the_page, "dropped.wav")
    veil = the_page.page.locator("#drop-veil")
    the_page.page.dispatch_event("main", "dragenter", {"dataTransfer": transfer})
    expect(veil).to_be_visible()
    the_page.page.dispatch_event("main", "drop", {"dataTransfer": transfer})
    expect(veil).to_be_hidden()
    with the_page.page.expect_response("**/v1/predict*") as response:
        the_page.predict.click()
    label = response.value.json()["emotion"]["label"]
    expect(the_page.row("dropped.wav").locator(".file-note")).to_contain_text(label.capitalize())


def test_pasted(the_page):
    transfer = speech_as(the_page, "pasted.wav")
    the_page.page.evaluate("(data) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))", transfer)
    expect(the_page.row("pasted.wav")).to_be_visible()


def test_recorded_as_wav(open_page):
    the_page = open_page(permissions=["microphone"])
    page = the_page.page
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("button", name="Stop and keep")).to_be_focused()
    expect(page.locator("#recording-time")).to_have_text(re.compile(r"0:(0[3-9]|[1-5]\d)"))
    assert float(page.locator("#recording-level").evaluate("bar => bar.style.getPropertyValue('--level')")) >= 0
    page.get_by_role("button", name="Stop and keep").click()
    expect(the_page.rows).to_have_count(1)
    name = the_page.rows.locator(".file-name").inner_text()
    assert re.fullmatch(r"recording \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.wav", name)

    page.evaluate(KEEP_WHAT_IS_SENT)
    the_page.predict.click()
    the_page.wait()
    with wave.open(io.BytesIO(bytes(page.evaluate("sent.arrayBuffer().then((bytes) => [...new Uint8Array(bytes)])")))) as sent:
        assert (sent.getnchannels(), sent.getsampwidth()) == (1, 2)
        assert sent.getnframes() / sent.getframerate() > 3
    assert the_page.rows.get_attribute("data-state") == "done"


def test_a_recording_can_be_discarded(open_page):
    the_page = open_page(permissions=["microphone"])
    the_page.page.get_by_role("button", name="Record").click()
    the_page.page.get_by_role("button", name="Discard").click()
    expect(the_page.page.get_by_role("button", name="Record")).to_be_focused()
    expect(the_page.rows).to_have_count(0)


def test_a_missing_microphone_gives_a_message(the_page):
    the_page.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError')); }"
    )
    the_page.page.get_by_role("button", name="Record").click()
    expect(the_page.page.get_by_role("alert")).to_have_text("No microphone was found. Plug one in and try again.")


def test_a_name_is_text(the_page):
    name = '<img src=x onerror="document.title=1"><b>bold.wav'
    the_page.predict_files({"name": name, "mimeType": "audio/wav", "buffer": SPEECH.read_bytes()})
    assert the_page.page.locator("main img, main b").count() == 0
    assert the_page.page.title() != "1"
    assert the_page.rows.locator(".file-name").inner_text() == name


def test_wav_bytes(the_page):
    """Header and samples; values beyond full scale are clipped."""
    encoded = the_page.page.evaluate("""async () => {
        const { toPcm16, wavBlob } = await import('./wav.js');
        const blob = wavBlob([toPcm16([0, 1, -1]), toPcm16([2, -3])], 48000);
        return [...new Uint8Array(await blob.arrayBuffer())];
    }""")
    with wave.open(io.BytesIO(bytes(encoded))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48000, 1, 2)
        samples = file.readframes(5)
    assert [int.from_bytes(samples[k : k + 2], "little", signed=True) for k in range(0, 10, 2)] == [
        0,
        32767,
        -32767,
        32767,
        -32767,
    ]


def test_csv_has_texts_instead_of_formulas(the_page):
    csv = the_page.page.evaluate("""async () => (await import('./downloads.js')).csv([
        { file: '=1+1', share: -0.5 }, { file: 'a "b", c', share: 0, age: 3 }])""")
    assert csv == 'file,share,age\n\'=1+1,-0.5,\n"a ""b"", c",0,3\n'
