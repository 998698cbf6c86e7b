#!/usr/bin/env python3
"""Runs the Python tests of tools/ and reports the skipped ones.

    python3 tools/tests/run.py              the last lines are "skipped: TEST: REASON", one per test
    python3 tools/tests/run.py --no-skip    fails if a test is skipped

tools/check/python_tests installs what the tests need.
"""

import sys
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1]


def main():
    sys.path.insert(0, str(TOOLS))
    suite = unittest.defaultTestLoader.discover(str(TOOLS / "tests"), top_level_dir=str(TOOLS))
    result = unittest.TextTestRunner().run(suite)
    sys.stderr.flush()
    for test, reason in result.skipped:
        print(f"skipped: {test.id()}: {reason}")
    if not result.wasSuccessful() or (result.skipped and "--no-skip" in sys.argv[1:]):
        sys.exit(1)


if __name__ == "__main__":
    main()
