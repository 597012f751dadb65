"""A file of names by OID: written once, looked up without reading it whole.

Pure: bytes in, facts out; who opens the file maps it into memory. Records are lines of text sorted by key, compressed in
blocks of some KiB. A look-up bisects the index for the block, and keeps the blocks read last, so that 42,000 names cost
a process the few blocks that its devices speak of.

Layout: `MAGIC`; the length of the index in four octets, big-endian; the index, compressed: a line ``KEY LENGTH`` for each
block; the blocks, compressed. A record is its key and its fields, separated by tabs; the key's first letter is its kind.
"""

import struct
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mmap import mmap

__all__ = ["Catalogue", "CatalogueError", "encode"]

MAGIC: Final = b"tocsin names 1\n"
BLOCK_CHARACTERS: Final = 16_384
MOST_INDEX: Final = 64 << 20
"""Octets of an index, and of a block, that are taken."""
_BLOCKS_KEPT: Final = 32
_LENGTH: Final = struct.Struct(">I")

Fields = tuple[str, ...]


class CatalogueError(ValueError):
    """The bytes are no catalogue; one sentence."""


def encode(records: Mapping[str, Fields]) -> bytes:
    """The catalogue of ``records``; the same records give the same bytes, with the same zlib.

    Raises:
        ValueError: a key or a field holds a tab, a line's end or, a key, a space.
    """
    index: list[str] = []
    blocks: list[bytes] = []
    lines: list[str] = []
    size, first = 0, ""
    for key in sorted(records):
        line = "\t".join((key, *records[key]))
        if " " in key or "\n" in line or line.count("\t") != len(records[key]):
            raise ValueError(f"{key!r} cannot be written: a separator is within it")
        first = first or key
        lines.append(line)
        size += len(line)
        if size >= BLOCK_CHARACTERS:
            _close(first, lines, index, blocks)
            lines, size, first = [], 0, ""
    if lines:
        _close(first, lines, index, blocks)
    packed = zlib.compress("\n".join(index).encode(), 9)
    return b"".join([MAGIC, _LENGTH.pack(len(packed)), packed, *blocks])


def _close(first: str, lines: list[str], index: list[str], blocks: list[bytes]) -> None:
    block = zlib.compress("\n".join(lines).encode(), 9)
    blocks.append(block)
    index.append(f"{first} {len(block)}")


class Catalogue:
    """Looks records up by key."""

    def __init__(self, data: "bytes | mmap" = b"") -> None:
        """Take the catalogue in ``data``; without it, one that is empty.

        Raises:
            CatalogueError: it is none.
        """
        self._data = data
        self._firsts: list[str] = []
        self._places: list[tuple[int, int]] = []
        self._read: OrderedDict[int, dict[str, Fields]] = OrderedDict()
        if len(data):
            self._open()

    def _open(self) -> None:
        head = len(MAGIC) + _LENGTH.size
        if self._data[: len(MAGIC)] != MAGIC or len(self._data) < head:
            raise CatalogueError("it is no file of names that this version knows")
        length: int = _LENGTH.unpack(self._data[len(MAGIC) : head])[0]
        rows = [row.rpartition(" ") for row in _text(self._data[head : head + length]).split("\n") if row]
        try:
            sizes = [int(size) for _, _, size in rows]
        except ValueError:
            raise CatalogueError("its index is damaged") from None
        ends = list(accumulate(sizes, initial=head + length))
        if min(sizes, default=0) < 0 or ends[-1] != len(self._data):
            raise CatalogueError("it is cut short or damaged")
        self._firsts = [first for first, _, _ in rows]
        self._places = list(zip(ends, sizes, strict=False))

    def get(self, key: str) -> Fields | None:
        """The fields of the record with this key.

        Raises:
            CatalogueError: the block that would hold it is damaged.
        """
        number = bisect_right(self._firsts, key) - 1
        return None if number < 0 else self._block(number).get(key)

    def kind(self, letter: str) -> Iterator[tuple[str, Fields]]:
        """All records whose key begins with ``letter``, without it, in order; reads every block that may hold one."""
        for number, first in enumerate(self._firsts):
            later = self._firsts[number + 1][:1] if number + 1 < len(self._firsts) else chr(0x10FFFF)
            if first[:1] > letter or later < letter:
                continue
            yield from ((key[1:], fields) for key, fields in self._parse(number).items() if key[:1] == letter)

    def _block(self, number: int) -> dict[str, Fields]:
        block = self._read.get(number)
        if block is None:
            block = self._read[number] = self._parse(number)
            if len(self._read) > _BLOCKS_KEPT:
                self._read.popitem(last=False)
        else:
            self._read.move_to_end(number)
        return block

    def _parse(self, number: int) -> dict[str, Fields]:
        at, size = self._places[number]
        return dict(_records(_text(self._data[at : at + size]).split("\n")))


def _records(lines: Iterable[str]) -> Iterator[tuple[str, Fields]]:
    for line in lines:
        key, *fields = line.split("\t")
        yield key, tuple(fields)


def _text(packed: bytes) -> str:
    try:
        inflater = zlib.decompressobj()
        text = inflater.decompress(packed, MOST_INDEX)
        if not inflater.eof:
            raise CatalogueError("it is cut short or damaged")
        return text.decode()
    except (zlib.error, UnicodeDecodeError):
        raise CatalogueError("it is cut short or damaged") from None
