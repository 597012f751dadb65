"""A third party's sink, installed as its own package, is found by its entry point and examined by the kit."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "tocsin_sink_example"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the example as pip installs it, without a network."""
    for needed in ("pip", "hatchling"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed: the package cannot be built without a network")
    source = tmp_path_factory.mktemp("source")
    for file in ("pyproject.toml", "tocsin_sink_example.py"):
        (source / file).write_bytes((EXAMPLE / file).read_bytes())
    target = tmp_path_factory.mktemp("site")
    run(
        [
            *("-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir"),
            *("--disable-pip-version-check", "--root-user-action=ignore", "--target", str(target), str(source)),
        ],
        cwd=source,
    )
    return target


def run(arguments: list[str], *, cwd: Path, path: Path | None = None) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PIP_", "COV_"))}
    if path is not None:
        env["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_has_under_a_hundred_lines():
    assert len((EXAMPLE / "tocsin_sink_example.py").read_text().splitlines()) < 100


@pytest.mark.parametrize("named", ["tocsin_sink_example", "jsonlines"], ids=["module", "entry point"])
def test_the_kit_runs_on_the_installed_package(installed, tmp_path, named):
    (tmp_path / "pytest.ini").touch()
    shown = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--sink", named], cwd=tmp_path, path=installed)
    assert "failed" not in shown
    assert "passed" in shown


def test_the_host_finds_it_by_its_entry_point(installed, tmp_path):
    script = (
        "from importlib.metadata import entry_points\n"
        "(point,) = entry_points(group='tocsin.sinks', name='jsonlines')\n"
        "print(point.load().name, point.dist.name)\n"
    )
    assert run(["-c", script], cwd=tmp_path, path=installed).split() == ["jsonlines", "tocsin-sink-example"]
