"""Loads a script of tools/ as a module, for its tests."""

import importlib.util
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1]


def load(path):
    """The module of a script, such as `docs/model_cards.py`."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, TOOLS / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
