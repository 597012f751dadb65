"""What a person wrote, apart from what their mail program quoted: one pass over the lines, no library.

Nothing is ever thrown away: what is not new goes into the second half, which the ticket shows too. Where this errs, it
should err by showing too much as new.
"""

import re

MARKER = "##- Please reply above this line -##"
"""Stands first in every mail that we send; survives all programs and languages."""

_LONGEST_LINE = 500
_MOST_LINES = 3_000
"""Quoting is looked for in these; whoever writes more before it has it all shown as new."""
_ATTRIBUTION_LINES = 3
_HEADER_LINES = 8
_ORIGINAL = (
    "original message",
    "original appointment",
    "ursprüngliche nachricht",
    "originalnachricht",
    "original-nachricht",
    "message d'origine",
    "message d’origine",  # noqa: RUF001 - as Outlook writes it
    "message original",
    "mensaje original",
    "mensagem original",
    "messaggio originale",
    "oorspronkelijk bericht",
    "oprindelig besked",
    "oprindelig meddelelse",
    "ursprungligt meddelande",
    "opprinnelig melding",
    "alkuperäinen viesti",
    "oryginalna wiadomość",
    "původní zpráva",
    "исходное сообщение",
    "forwarded message",
    "weitergeleitete nachricht",
    "message transféré",
    "reply message",
    "原始邮件",
    "元のメッセージ",
)
# How an attribution begins, and how it ends ("On Tuesday, Alice <a@b> wrote:").
_ATTRIBUTIONS = (
    (("on ", "at ", "in a message "), (" wrote:", ">wrote:", "writes:", "wrote :", "wrote", "wrote,")),
    (("le ", "le\xa0"), ("a écrit :", "a écrit:", "a écrit\xa0:", "écrit :", "écrit:", "ecrit :", "ecrit:")),
    (("am ", "im "), ("schrieb:", "geschrieben:", "schrieb :")),
    (("el ", "en "), ("escribió:", "escribió :", "escribio:")),
    (("em ", "a ", "no dia "), ("escreveu:", "escreveu :")),
    (("il ", "in data "), ("ha scritto:", "ha scritto :", "scrive:")),
    (("op ",), ("schreef:", "geschreven:", "het volgende geschreven:")),
    (
        ("den ", "på ", "kl ", "on ", "tor", "man", "tir", "ons", "fre", "lør", "søn"),
        ("skrev:", "skrev :", "skrev følgende:"),
    ),
    (
        ("w dniu ", "dnia ", "pon.", "wt.", "śr.", "czw.", "pt.", "sob.", "niedz."),
        ("napisał:", "napisał(a):", "napisała:", "pisze:"),
    ),
    (
        ("",),
        (
            "kirjoitti:",
            "пишет:",
            "написал:",
            "написал(а):",  # noqa: RUF001 - Russian
            "написала:",
            "写道:",
            "写道：",  # noqa: RUF001 - as written in Chinese
            "のメール:",
            "yazdı:",  # noqa: RUF001 - Turkish
            "napsal(a):",
        ),
    ),
)
_ALL_ENDS = tuple(end for _, ends in _ATTRIBUTIONS for end in ends)
# How the last line of an attribution ends: a cheap look, before its lines are joined.
_LAST_WORDS = tuple({":", *(end.split()[-1] for end in _ALL_ENDS if not end.endswith(":"))})
_VERB = re.compile(r"\s(schrieb|schreef|skrev|napsal|napisał)\s")
_DATED_ADDRESS = re.compile(r"(?=.{0,80}\d.{0,40}\d[:.]\d\d\b)[^<]{8,200}<[^<>\s]{1,200}@[^<>\s]{1,200}>:")
_DATE = re.compile(r"\d")
_FIELDS = {
    "from": (
        "from",
        "de",
        "von",
        "da",
        "van",
        "fra",
        "från",
        "od",
        "lähettäjä",
        "от",
        "发件人",
        "差出人",
        "expéditeur",
    ),
    "rest": (
        *("sent", "date", "to", "subject", "cc", "reply-to"),
        *("envoyé", "envoyé le", "date", "à", "objet", "sujet", "copie à", "répondre à"),
        *("gesendet", "datum", "an", "betreff"),
        *("enviado", "enviada", "fecha", "para", "asunto", "data", "assunto"),
        *("inviato", "a", "oggetto"),
        *("verzonden", "aan", "onderwerp"),
        *("sendt", "dato", "til", "emne", "skickat", "till", "ämne"),
        *("lähetetty", "vastaanottaja", "aihe", "wysłano", "do", "temat"),
        *("отправлено", "дата", "кому", "тема", "发送时间", "收件人", "主题"),
    ),
}
_FIELD = re.compile(r"^[*_\s>]{0,8}([^\W\d_][\w\- ]{0,20}?)[*_]?\s?[:：][*_]?(?:\s|$|\S)")  # noqa: RUF001 - as written in Chinese
_WIDE_COLON = "："  # noqa: RUF001 - as written in Chinese
_RULE_SIGNS = frozenset("-_*=>")
_BORDER = re.compile(
    r"\n(?:(?=[-_*=>]|[^\S\n])|(?<=[^\S\n]\n)|" + "|".join(rf"(?<={word}\n)" for word in _LAST_WORDS) + ")",
    re.IGNORECASE,
)
"""Where a line ends that may be worth a look by its end, or one begins that may be by its beginning."""
_SIGNATURES = ("-- ", "--")
_RULE = re.compile(r"^[_\-*=]{10,}$")
_DASHED = re.compile(r"^[>\s]{0,8}[-_*]{2,}\s?(.{3,120}?)\s?[-_*]{2,}$")


def split_reply(text: str) -> tuple[str, str]:
    """Part ``text`` into what is new and what is not.

    Answers between or below quoted lines are new; so is all of a text in which nothing else would be.
    """
    lines = text.split("\n")
    cut, resume = _first_quote(lines)
    if cut == len(lines) and "--" not in text:
        return text.strip("\n").rstrip(), ""
    above, rest = lines[:cut], lines[cut:]
    if resume:
        below, quoted = _answers_within(rest, skip=resume)
        above, rest = above + below, quoted
    above, signature = _signature(above) if "--" in text else (above, [])
    new = "\n".join(above).strip("\n").rstrip()
    if not new.strip():
        return text.strip("\n").rstrip(), ""
    return new, "\n".join([*signature, *rest]).strip("\n").rstrip()


def _first_quote(lines: list[str]) -> tuple[int, int]:
    """Index of the line where quoting starts (its end if nowhere), and, if it is quoted by ``>``, of lines to skip."""
    for index in _worth_a_look(lines):
        short = _short(lines[index])
        if not short:
            continue
        if short.startswith(">"):
            return index, 1
        if MARKER in short or _is_separator(short, lines, index) or _begins_header_block(lines, index):
            return index, 0
        length = _attribution_length(lines, index)
        if length:
            following = next((each for each in lines[index + length :] if each.strip()), "")
            return index, length if following.lstrip().startswith(">") else 0
    return len(lines), 0


def _short(line: str) -> str:
    return line[:_LONGEST_LINE].strip()


def _worth_a_look(lines: list[str]) -> list[int]:
    """The lines where quoting may start, by a cheap look: few do, and a look in full costs fifty times as much."""
    found: set[int] = set()
    for index in _with_a_sign(lines[: _MOST_LINES + _ATTRIBUTION_LINES]):
        short = _short(lines[index])
        if short[:1] in _RULE_SIGNS or ":" in short or _WIDE_COLON in short or MARKER in short:
            found.add(index)
        if _may_end_attribution(short):
            found.update(range(max(0, index - _ATTRIBUTION_LINES + 1), index + 1))
    return sorted(index for index in found if index < _MOST_LINES)


def _with_a_sign(lines: list[str]) -> list[int]:
    """The lines that may be worth a look, without taking any apart: most of prose is not."""
    whole = "\n".join(["", *lines, ""])
    if _WIDE_COLON in whole or MARKER in whole or max(map(len, lines)) > _LONGEST_LINE:
        return list(range(len(lines)))
    found = {index for index, line in enumerate(lines) if ":" in line} if ":" in whole else set()
    above = at = 0
    for border in _BORDER.finditer(whole):
        above += whole.count("\n", at, border.start())
        at = border.start()
        found.update((above - 1, above))
    return sorted(found - {-1, len(lines)})


def _may_end_attribution(short: str) -> bool:
    return short.lower().endswith(_LAST_WORDS)


def _is_separator(short: str, lines: list[str], index: int) -> bool:
    if short[0] not in _RULE_SIGNS:
        return False
    dashed = _DASHED.match(short)
    if dashed is not None:
        said = dashed[1].strip("-_* ").lower()
        if said.rstrip(":") in _ORIGINAL or _is_attribution(said):
            return True
    # Outlook draws a line above its block of headers.
    return bool(_RULE.match(short)) and _begins_header_block(lines, index + 1)


def _begins_header_block(lines: list[str], index: int) -> bool:
    """Whether a sender's line and two more of the usual fields follow one another here."""
    if _field(lines, index) not in _FIELDS["from"]:
        return False
    following = [_field(lines, each) for each in range(index + 1, index + 1 + _HEADER_LINES)]
    return sum(name in _FIELDS["rest"] for name in following) >= 2  # noqa: PLR2004 - From alone may be prose


def _field(lines: list[str], index: int) -> str:
    if index >= len(lines):
        return ""
    found = _FIELD.match(lines[index][:_LONGEST_LINE])
    return found[1].strip().lower() if found else ""


def _attribution_length(lines: list[str], index: int) -> int:
    """Over how many lines an attribution stands here; 0 if none does."""
    joined = ""
    for length, line in enumerate(map(_short, lines[index : index + _ATTRIBUTION_LINES]), start=1):
        if not line or len(joined) > _LONGEST_LINE:
            return 0
        joined = f"{joined} {line}".strip()
        if _may_end_attribution(line) and _is_attribution(joined.lower()):
            return length
    return 0


def _is_attribution(text: str) -> bool:
    if _DATED_ADDRESS.fullmatch(text):
        return True  # any language: 30.09.2017, 18.30, "Max" <max@example.org>:
    if not text.endswith(_ALL_ENDS) and not (text.endswith(":") and _VERB.search(text)):
        return False
    if not _DATE.search(text) and "@" not in text:
        return False  # "On this he wrote:" is prose
    return any(
        text.startswith(begins) and (text.endswith(ends) or _verb_first(text, ends)) for begins, ends in _ATTRIBUTIONS
    )


def _verb_first(text: str, ends: tuple[str, ...]) -> bool:
    """German and its neighbours put the writer last: ``Am 13.12. schrieb Max <max@example.org>:``."""
    verb = _VERB.search(text)
    return verb is not None and text.endswith(":") and any(end.startswith(verb[1]) for end in ends)


def _answers_within(lines: list[str], *, skip: int) -> tuple[list[str], list[str]]:
    """Part lines of which some are quoted by ``>`` into those that are not and those that are."""
    new: list[str] = []
    quoted = lines[:skip]
    current = quoted
    for index in range(skip, len(lines)):
        line = lines[index]
        short = line[:_LONGEST_LINE].strip()
        if short.startswith(">"):
            current = quoted
        elif short:
            if index < _MOST_LINES and (MARKER in short or _is_separator(short, lines, index)):
                return new, quoted + lines[index:]
            current = new
        current.append(line)  # blank lines stay with what stands above them
    return new, quoted


def _signature(lines: list[str]) -> tuple[list[str], list[str]]:
    """Take off a signature (RFC 3676 section 4.3), the last ``-- `` line and what follows."""
    last = max((index for index, line in enumerate(lines) if line[:2] == "--" and line in _SIGNATURES), default=-1)
    return (lines[:last], lines[last:]) if last >= 0 else (lines, [])
