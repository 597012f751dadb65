"""A disk that forgets what was never synced: the shim ``powercut.c``, and the moment when the power comes back."""

import os
import random
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("powercut.c")
SECTOR = 512
"""Bytes that a disk writes whole or not at all."""


def compiled(folder: Path) -> Path:
    """Build the shim with gcc."""
    shim = folder / "powercut.so"
    words = ["gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o", str(shim), str(SOURCE)]
    subprocess.run([*words, "-ldl", "-lpthread"], check=True)
    return shim


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A folder as programs see it, and as it would be found after a power cut."""

    live: Path
    durable: Path
    shim: Path
    fsync_us: int = 0
    """How long each sync takes: with a disk that is too fast nobody ever dies during one."""

    @classmethod
    def made(cls, folder: Path, *, shim: Path, fsync_us: int = 0) -> "Disk":
        """Make the folders. Their paths hold no links: the shim compares them as text."""
        folder = folder.resolve()
        disk = cls(live=folder / "live", durable=folder / "durable", shim=shim.resolve(), fsync_us=fsync_us)
        disk.live.mkdir(mode=0o700)
        disk.durable.mkdir(mode=0o700)
        return disk

    def environ(self) -> dict[str, str]:
        """What a process needs in its environment."""
        return {
            "LD_PRELOAD": str(self.shim),
            "POWERCUT_LIVE": str(self.live),
            "POWERCUT_DURABLE": str(self.durable),
            "POWERCUT_FSYNC_US": str(self.fsync_us),
        }

    def cut_power(self, chance: random.Random, *, torn: bool) -> int:
        """After the processes are dead: only what was synced is there; how many files lost something.

        Args:
            chance: decides what a torn disk kept.
            torn: a share of the sectors that were written but not synced had reached the disk, in no order.
        """
        lost = 0
        for name in sorted({path.name for folder in (self.live, self.durable) for path in folder.iterdir()}):
            live, durable = self.live / name, self.durable / name
            if live.exists() and not stat.S_ISREG(live.stat().st_mode):
                continue  # a socket
            lost += _restore(live, durable, chance, torn=torn)
        return lost


def _restore(live: Path, durable: Path, chance: random.Random, *, torn: bool) -> bool:
    now = live.read_bytes() if live.exists() else None
    kept = durable.read_bytes() if durable.exists() else None
    if now == kept:
        return False
    if torn:
        kept = _torn(kept, now, chance)
    if kept is None:
        live.unlink(missing_ok=True)
        durable.unlink(missing_ok=True)
        return True
    live.write_bytes(kept)
    live.chmod(0o600)
    shutil.copyfile(live, durable)  # whatever survived is what the disk holds now
    return True


def _torn(kept: bytes | None, now: bytes | None, chance: random.Random) -> bytes | None:
    """Each sector as it was synced or as it was written last; names and lengths likewise."""
    if now is None or kept is None:
        return chance.choice((kept, now))
    length = chance.choice((len(kept), len(now)))
    share = chance.random()
    out = bytearray(kept[:length].ljust(length, b"\0"))
    for at in range(0, min(length, len(now)), SECTOR):
        if chance.random() < share:
            out[at : at + SECTOR] = now[at : at + SECTOR][: length - at]
    return bytes(out)


def available() -> bool:
    """Whether the shim can be built and used here."""
    return shutil.which("gcc") is not None and os.uname().sysname == "Linux"
