"""Entries of the inventory that were told, not written: examined by the same models, and joined to those of the files.

Whoever tells them has less to say than who writes the files. Of a name that a file has, the file says all; no secret is
taken, since a reference would let strangers look at our files and environment; a site lies where the files say.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from gateway.config.config import Config
from gateway.config.crosscheck import no_profile
from gateway.config.inventory import SiteConfig, SourceConfig, StationConfig
from gateway.config.locate import Path
from gateway.config.mistakes import Source, mistakes_of
from gateway.core.told import EntryKind, Told
from gateway.plugin import EntryRefused

Entry = SiteConfig | StationConfig | SourceConfig
MODELS: Mapping[EntryKind, type[SiteConfig] | type[StationConfig] | type[SourceConfig]] = {
    EntryKind.SITE: SiteConfig,
    EntryKind.STATION: StationConfig,
    EntryKind.SOURCE: SourceConfig,
}
FILES_ONLY = ("ping_key",)
"""Members that no told entry may have."""
DEEPEST = 2
"""Tables within an entry: ``labels.NAME``."""


def entry_of(told: Told, *, profiles: Collection[str] | None = None) -> Entry:
    """The entry that ``told`` makes; ``profiles`` are the names of those that there are, None: any will do.

    Raises:
        EntryRefused: it cannot be used; one sentence that names the place and the cure.
    """
    fixed = {"name": told.name} | ({"site": told.site} if told.site else {})
    said = {**fixed, **(told.said or {})}
    for member, given in fixed.items():
        if said[member] != given:
            raise _refusal(told, (member,), f'is "{given}" by the topic; remove it, or publish to its own topic')
    for member in FILES_ONLY:
        if member in said:
            raise _refusal(told, (member,), "is taken from a file only; remove it, and write an entry into a file")
    for path, text in _texts(said):
        if not text.isprintable():
            raise _refusal(told, path, "must be one line of printable text")
    model = MODELS[told.kind]
    try:
        entry: Entry = model.model_validate(said)
    except ValidationError as error:
        first, *more = mistakes_of(error, source=Source(told.place, {}), prefix=(), data=said, model=model)
        raise EntryRefused(str(first) + (f" (and {len(more)} more)" if more else "")) from None
    if entry.name in entry.depends_on:
        raise _refusal(told, ("depends_on",), "names the entry itself; remove it")
    profile = profile_of(entry)
    if profile and profiles is not None and profile not in profiles:
        raise _refusal(told, ("profile",), no_profile(profile, profiles))
    return entry


def joined(config: Config, told: Iterable[Entry]) -> Config:
    """``config`` with what was told of names that its files do not have; of ourselves nothing is told, either."""
    files: tuple[Entry, ...] = (*config.site, *config.station, *config.source)
    written = {config.daemon.node_name, *(entry.name for entry in files)}
    profiles = {entry.name for entry in config.profile}
    regions = _regions(config)
    added: dict[type[Entry], list[Any]] = {SiteConfig: [], StationConfig: [], SourceConfig: []}
    for entry in sorted(told, key=lambda one: (one.name, type(one).__name__)):
        if entry.name not in written:
            added[type(entry)].append(_fitted(entry, profiles, regions))
    return config.with_entries(
        site=tuple(added[SiteConfig]), station=tuple(added[StationConfig]), source=tuple(added[SourceConfig])
    )


def profile_of(entry: Entry) -> str:
    """The profile that it names; empty if it names none."""
    return "" if isinstance(entry, SourceConfig) else entry.profile


def _regions(config: Config) -> dict[str, str]:
    """The region of each site of which the files speak; empty if they do not say."""
    regions = {place.name: place.region for place in config.site}
    placed: tuple[StationConfig | SourceConfig, ...] = (*config.station, *config.source)
    for entry in placed:
        if entry.site and entry.region:
            regions[entry.site] = entry.region
    return regions


def _fitted(entry: Entry, profiles: Collection[str], regions: dict[str, str]) -> Entry:
    """``entry`` without what does not fit the rest: a reload may have taken its profile, or moved its site."""
    changes: dict[str, str] = {}
    if profile_of(entry) not in ("", *profiles):
        changes["profile"] = ""
    site = entry.name if isinstance(entry, SiteConfig) else entry.site
    if site and entry.region and regions.setdefault(site, entry.region) != entry.region:
        changes["region"] = regions[site]
    return entry.model_copy(update=changes) if changes else entry


def _texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in ``value``, keys too, with where it stands; what nests deeper than any option is the model's to refuse."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping) and len(path) < DEEPEST:
        for key, item in value.items():
            yield (*path, key), key
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        yield from ((path, item) for item in value if isinstance(item, str))


def _refusal(told: Told, path: Path, text: str) -> EntryRefused:
    return EntryRefused(str(Source(told.place, {}).mistake(path, text)))
