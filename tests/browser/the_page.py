"""The page as a person works with it."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

# For answers, not for the page: ten minutes of sound take their time on a busy machine.
ANSWER_MS = 600_000


class ThePage:
    """Names for what is on the page, found as people find it: by role and by words."""

    def __init__(self, page: Page):
        self.page = page
        self.predict = page.get_by_role("button", name="Make predictions")
        self.cancel = page.get_by_role("button", name="Cancel", exact=True)
        self.rows = page.locator(".file")
        self.slider = page.get_by_role("slider", name="Place in the recording")
        self.status = page.locator("#status")

    def choose(self, *files: Path | dict) -> None:
        """Chooses files through the button; each is a path, or a name and bytes."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Click to choose").click()
        chooser.value.set_files(list(files))

    def answer(self, *files: Path | dict) -> None:
        """Chooses files and waits until all are done."""
        self.choose(*files)
        self.predict.click()
        self.wait()

    def wait(self) -> None:
        """Until nothing runs any more."""
        expect(self.predict).to_be_visible(timeout=ANSWER_MS)

    def row(self, name: str) -> Locator:
        """The row of a file."""
        return self.rows.filter(has=self.page.locator(".file-name", has_text=re.compile(f"^{re.escape(name)}$")))

    def open(self, name: str) -> Locator:
        """Opens a file's answer if it is closed."""
        toggle = self.row(name).get_by_role("button", name=name, exact=True)
        if toggle.get_attribute("aria-expanded") == "false":
            toggle.click()
        return self.row(name).locator(".file-panel")
