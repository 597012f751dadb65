"""Bytes of a mail to text: aliases, rescue of wrong labels, a guess at what is not labelled. Never raises.

What mailers call a charset and what they send differ in well-known ways (WHATWG Encoding Standard, section 4.2: the
same table that browsers use): ``iso-8859-1`` and ``us-ascii`` are read as windows-1252, ``gb2312`` as gb18030.
"""

import re
from encodings.aliases import aliases

_OURS = {
    "ascii": "cp1252",
    "us_ascii": "cp1252",
    "ansi_x3_4_1968": "cp1252",
    "latin1": "cp1252",
    "latin_1": "cp1252",
    "iso_8859_1": "cp1252",
    "iso8859_1": "cp1252",
    "iso_8859_9": "cp1254",
    "iso8859_9": "cp1254",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_6_i": "iso8859_6",
    "tis_620": "cp874",
    "iso_8859_11": "cp874",
    "windows_874": "cp874",
    "gb2312": "gb18030",
    "gb_2312_80": "gb18030",
    "gbk": "gb18030",
    "x_gbk": "gb18030",
    "ks_c_5601_1987": "cp949",
    "ks_c_5601": "cp949",
    "ksc5601": "cp949",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "x_sjis": "cp932",
    "iso_2022_jp": "iso2022_jp_ext",
    "big5": "big5hkscs",
    "unicode_1_1_utf_7": "utf_7",
    "utf8mb4": "utf_8",
    "x_mac_roman": "mac_roman",
    "x_euc_jp": "euc_jp",
    "koi8_r": "koi8_r",
    "koi8_u": "koi8_u",
    "cp874": "cp874",
    "cp720": "cp720",
    "cp737": "cp737",
    "gb18030": "gb18030",
}
# Only codecs of text, looked up in tables: ``codecs.lookup`` would import what a mail names, keep every unknown name
# for ever, and offer codecs that are quadratic (punycode) or not of text (zlib).
_NOT_TEXT = {
    "base64_codec",
    "bz2_codec",
    "hex_codec",
    "quopri_codec",
    "rot_13",
    "uu_codec",
    "zlib_codec",
    "mbcs",
    "oem",
}
_CODECS = (set(aliases.values()) | set(_OURS.values())) - _NOT_TEXT
_SINGLE_BYTE_LATIN = {"cp1252", "cp1254", "iso8859_15"}
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 60
_SAMPLE_BYTES = 16 * 1024


def codec_of(declared: str) -> str:
    """The Python codec for a declared charset; empty if it is none of text that we know."""
    name = _SEPARATORS.sub("_", declared[:_LONGEST_NAME].lower()).strip("_")
    for wanted in (name, name.removeprefix("x_")):
        found = _OURS.get(wanted) or aliases.get(wanted, wanted)
        if found in _CODECS:
            return _OURS.get(found, found)
    return ""


def decode(data: bytes, declared: str = "", *, default: str = "cp1252") -> str:
    """``data`` as text, by its declared charset, else as UTF-8, else by ``default`` with what is wrong replaced."""
    if data.isascii() and not declared.lower().startswith(("utf-7", "utf-16", "utf-32", "iso-2022", "hz", "unicode")):
        return data.decode("ascii")
    codec = codec_of(declared)
    if not codec or codec in _SINGLE_BYTE_LATIN:  # UTF-8 is often sold as Latin; real Latin is hardly ever valid UTF-8
        try:
            return data.decode("utf_8")
        except UnicodeDecodeError:
            codec = codec or default
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError):
        return _rescued(data, codec)


def needs_guess(data: bytes, declared: str) -> bool:
    """Whether nothing says what these bytes are: no known charset, and neither ASCII nor UTF-8."""
    if data.isascii() or codec_of(declared):
        return False
    try:
        data.decode("utf_8")
    except UnicodeDecodeError:
        return True
    return False


def guess(data: bytes) -> str:
    """The codec that these bytes most probably are in; windows-1252 if nothing fits better."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - megabytes that only the worker needs

    best = from_bytes(data[:_SAMPLE_BYTES]).best()
    return (codec_of(best.encoding) if best is not None else "") or "cp1252"


def _rescued(data: bytes, codec: str) -> str:
    try:
        return data.decode("utf_8")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode(codec, errors="replace")
    except (UnicodeError, LookupError):
        return data.decode("cp1252", errors="replace")
