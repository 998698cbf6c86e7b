"""Operates the page as a person does: by roles, labels and texts."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

# Longest wait for a report: ten minutes of audio on a busy machine.
REPORT_MS = 600_000


class PageDriver:
    """Locators and actions of the page."""

    def __init__(self, page: Page):
        self.page = page
        self.predict = page.get_by_role("button", name="Make predictions")
        self.cancel = page.get_by_role("button", name="Cancel", exact=True)
        self.rows = page.locator(".file")
        self.slider = page.get_by_role("slider", name="Position in the recording")
        self.status = page.locator("#status")

    def choose(self, *files: Path | dict) -> None:
        """Selects files with the button; each is a path, or a name with bytes."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Click to choose").click()
        chooser.value.set_files(list(files))

    def predict_files(self, *files: Path | dict) -> None:
        """Selects files, requests their reports and waits for them."""
        self.choose(*files)
        self.predict.click()
        self.wait()

    def wait(self) -> None:
        """Waits until no request is running."""
        expect(self.predict).to_be_visible(timeout=REPORT_MS)

    def row(self, name: str) -> Locator:
        """The row of a file."""
        return self.rows.filter(has=self.page.locator(".file-name", has_text=re.compile(f"^{re.escape(name)}$")))

    def open(self, name: str) -> Locator:
        """Opens the report of a file if it is closed."""
        toggle = self.row(name).get_by_role("button", name=name, exact=True)
        if toggle.get_attribute("aria-expanded") == "false":
            toggle.click()
        return self.row(name).locator(".file-panel")
