"""axe-core reports no violation in any state of the page, light and dark; it fits a phone's width."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect
from recordings import SPEECH, html, repeated, silence

AXE = Path(os.environ.get("PERSONA_AXE", ""))
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(params=[("light", 1280), ("dark", 1280), ("light", 375), ("dark", 375)], ids=lambda look: f"{look[0]}-{look[1]}")
def look(request, open_page):
    """The page in one look."""
    scheme, width = request.param
    return open_page(scheme, width)


def check(the_page, state):
    """No violation in the current state.

    axe is injected by the debugger, because the content security policy forbids other scripts.
    """
    width = the_page.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], f"{state}: the page is {width[0]} wide on {width[1]}"
    if not AXE.is_file():
        pytest.skip("axe-core could not be fetched (it needs npm)")
    the_page.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = the_page.page.evaluate("(rules) => axe.run(document, rules)", RULES)
    violations = [f"{each['id']}: {each['help']}: {[node['html'][:120] for node in each['nodes']]}" for each in found["violations"]]
    assert not violations, f"{state}: {violations}"
    assert len(found["passes"]) > 15


def test_empty(look):
    check(look, "empty")
    look.page.get_by_role("button", name="Model and limits").click()
    expect(look.page.get_by_role("dialog")).to_contain_text("Unseen speakers")
    check(look, "dialog")


def test_recording(open_page):
    the_page = open_page("dark", 375, permissions=["microphone"])
    the_page.page.get_by_role("button", name="Record").click()
    expect(the_page.page.get_by_role("button", name="Stop and keep")).to_be_visible()
    check(the_page, "recording")


def test_reports(look, tmp_path, offered):
    call = repeated(tmp_path / "a rather long name of a recording, longer than a phone is wide.wav", 12, channels=2)
    look.choose(call, html(tmp_path / "page.wav"), silence(tmp_path / "hush.wav"))
    check(look, "chosen")
    if "per_channel" in offered:
        look.page.get_by_label("Separate predictions for each channel").check()
    look.predict.click()
    look.wait()
    if "timeline" in offered:
        look.page.get_by_text("As a table").click()
    check(look, "report, channels, table, problem")
    look.open("hush.wav")
    check(look, "no prediction")


def test_processing_and_token(look):
    look.page.route("**/v1/predict*", lambda route: None)
    look.choose(SPEECH)
    with look.page.expect_request("**/v1/predict*"):
        look.predict.click()
    check(look, "processing")
    look.cancel.click()
    look.page.route("**/v1/predict*", lambda route: route.fulfill(status=401, body="{}"))
    look.predict.click()
    expect(look.page.get_by_role("dialog")).to_be_visible()
    check(look, "token")
    look.page.keyboard.press("Escape")
    look.wait()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_graphics_stand_out(open_page, scheme):
    """Graphics that carry meaning have a contrast of 3:1 to their background (WCAG 1.4.11).

    axe does not measure it.
    """
    the_page = open_page(scheme)
    colours = the_page.page.evaluate("""() => {
        const probe = document.body.appendChild(document.createElement('i'));
        const value = (name) => {
            probe.style.color = `var(--${name})`;
            return getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
        };
        const names = ['anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'other', 'edge', 'focus', 'ink'];
        return [value('sheet'), names.map((name) => [name, value(name)])];
    }""")
    sheet, tones = colours
    weak = {name: round(contrast(tone, sheet), 2) for name, tone in tones if contrast(tone, sheet) < 3}
    assert not weak, weak


def contrast(one, other):
    """Contrast ratio (WCAG 2.2) of two sRGB colours from 0 to 255."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (c / 255 for c in colour)]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)
