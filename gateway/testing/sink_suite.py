"""The tests that ``pytest --sink MODULE`` collects: one per requirement of `gateway.testing.sink_kit`."""

import asyncio
from pathlib import Path

import pytest

from gateway.testing.sink_bench import Lend, NotOffered
from gateway.testing.sink_kit import REQUIREMENTS, fulfil


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_sink(name: str, tocsin_lend: Lend, tmp_path: Path) -> None:
    """The sink under examination fulfils the requirement ``name``."""

    async def run() -> None:
        async with tocsin_lend(tmp_path) as subject:
            await fulfil(subject, name)

    try:
        asyncio.run(run())
    except NotOffered as why:
        pytest.skip(str(why))
