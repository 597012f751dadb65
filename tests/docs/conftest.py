"""What the tests of the documentation share: its pages, and how to read their tables and blocks."""

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("gateway", "collectors", "sinks")
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

Blocks = Callable[[str], list[tuple[str, str]]]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """Every page by its path: the README, the changelog and docs."""
    files = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in files if "_build" not in file.parts}


@pytest.fixture(scope="session")
def blocks(pages) -> Blocks:
    """Blocks of a language, each with the page that it is on."""

    def find(language: str) -> list[tuple[str, str]]:
        return [
            (page, found["text"])
            for page, text in pages.items()
            for found in _BLOCK.finditer(text)
            if found["language"] == language
        ]

    return find


@pytest.fixture(scope="session")
def rows() -> Callable[[str], Iterator[list[str]]]:
    """The cells of every table row of a page."""

    def read(text: str) -> Iterator[list[str]]:
        for line in text.splitlines():
            if line.startswith("|") and not line.startswith("|---"):
                yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]

    return read


@pytest.fixture(scope="session")
def sources() -> dict[str, str]:
    """Every Python file of the three packages."""
    files = [file for name in SOURCES for file in sorted((ROOT / name).rglob("*.py"))]
    return {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in files}


def _script(name: str) -> ModuleType:
    """A program of the documentation, which is no package's."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def states() -> ModuleType:
    """``docs/states.py``."""
    return _script("states")


@pytest.fixture(scope="session")
def growth() -> ModuleType:
    """``docs/growth.py``."""
    return _script("growth")
