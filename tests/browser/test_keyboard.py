"""Everything works without a mouse, and the keyboard focus is never lost."""

import pytest
from playwright.sync_api import expect
from recordings import SPEECH, repeated


def focused(the_page) -> str:
    """Label or text of the focused element."""
    return the_page.page.evaluate("(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()")


def tab_to(the_page, name: str) -> None:
    """Presses Tab until the element with this label has the focus."""
    for _ in range(20):
        the_page.page.keyboard.press("Tab")
        if focused(the_page) == name:
            return
    pytest.fail(f"20 tabs do not lead to {name}")


@pytest.mark.needs("timeline")
def test_from_the_first_tab_to_the_report(the_page, tmp_path):
    keys = the_page.page.keyboard
    passed = []
    for _ in range(3):
        keys.press("Tab")
        passed.append(focused(the_page))
    assert passed == ["To the recordings", "Model and limits", "Click to choose"]
    with the_page.page.expect_file_chooser() as chooser:
        keys.press("Enter")
    chooser.value.set_files([repeated(tmp_path / "six.wav", 6)])
    expect(the_page.predict).to_be_enabled()
    tab_to(the_page, "Make predictions")
    keys.press("Enter")
    expect(the_page.row("six.wav").locator(".file-toggle")).to_be_focused()
    keys.press("Tab")  # remove
    for name in ("Play", "Position in the recording"):
        keys.press("Tab")
        assert focused(the_page) == name
    keys.press("ArrowRight")
    expect(the_page.slider).to_have_attribute("aria-valuenow", "1.00")
    keys.press("Tab")
    keys.press("Enter")
    expect(the_page.page.locator(".segments tbody tr")).to_have_count(6)


def test_every_focused_element_has_an_outline(the_page):
    the_page.predict_files(SPEECH)
    the_page.page.locator("body").evaluate("(body) => { body.tabIndex = -1; body.focus(); }")
    stops = 0
    while True:
        the_page.page.keyboard.press("Tab")
        if the_page.page.evaluate("document.activeElement === document.body"):
            break
        outline = the_page.page.evaluate("""() => {
            const at = document.activeElement;
            const shown = at.matches('.channels input') ? at.nextElementSibling : at;
            return [at.className || at.id, getComputedStyle(shown).outlineStyle, parseFloat(getComputedStyle(shown).outlineWidth)];
        }""")
        assert outline[1] != "none" and outline[2] >= 2, outline
        stops += 1
        assert stops < 100
    assert stops > 10


def test_the_focus_moves_on_when_a_row_is_removed(the_page, tmp_path):
    the_page.choose(SPEECH, repeated(tmp_path / "six.wav", 6))
    remove = the_page.page.get_by_role("button", name="Remove speech.wav")
    remove.focus()
    the_page.page.keyboard.press("Enter")
    expect(the_page.page.get_by_role("button", name="Remove six.wav")).to_be_focused()
    the_page.page.keyboard.press("Enter")
    expect(the_page.page.locator("#choose")).to_be_focused()


def test_the_dialog_returns_the_focus(the_page):
    opener = the_page.page.get_by_role("button", name="Model and limits")
    opener.focus()
    the_page.page.keyboard.press("Enter")
    expect(the_page.page.get_by_role("dialog")).to_be_visible()
    the_page.page.keyboard.press("Escape")
    expect(opener).to_be_focused()
