"""Where the shipped data is: ``config/`` and ``systemd/`` of the checkout, or their copies inside the wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(*parts: str) -> Path:
    """The path of a shipped file or folder, as in ``shipped("config", "rules", "ietf.toml")``."""
    inside = _PACKAGE / "_shipped"  # the wheel has it, a checkout does not
    return (inside if inside.is_dir() else _PACKAGE.parent).joinpath(*parts)


def quick_start_file() -> Path:
    """The configuration that holds when none is given."""
    return shipped("config", "quickstart.toml")


def rule_packs() -> dict[str, Path]:
    """The shipped rule packs by name."""
    return {path.stem: path for path in sorted(shipped("config", "rules").glob("*.toml"))}
