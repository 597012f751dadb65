"""Read a configuration: all its files, all its mistakes at once, and one frozen `Config` if there are none."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar, cast

from pydantic import ValidationError

from gateway.config import crosscheck
from gateway.config.cases import Case, CaseConfig
from gateway.config.config import CollectorInstance, Config, SinkInstance
from gateway.config.document import Document, read
from gateway.config.expect import ExpectConfig
from gateway.config.gather import GroupConfig, StormConfig
from gateway.config.inhibit import InhibitConfig, InhibitionConfig
from gateway.config.inventory import InventoryConfig, ProfileConfig, SiteConfig, SourceConfig, StationConfig
from gateway.config.locate import Path as KeyPath
from gateway.config.maintenance import MaintenanceConfig, Series
from gateway.config.mistakes import ConfigError, Mistake, Source, did_you_mean, key_text, mistakes_of, unknown_key
from gateway.config.models import (
    DaemonConfig,
    DefaultsConfig,
    DrillConfig,
    EngineConfig,
    FlappingConfig,
    HttpConfig,
    JournalConfig,
    RetentionConfig,
    StationsConfig,
    TicketsConfig,
)
from gateway.config.rules import RuleConfig
from gateway.config.shipped import quick_start_file, rule_packs
from gateway.config.table import read_table
from gateway.config.threshold import ThresholdConfig
from gateway.plugin import CollectorPlugin, PluginConfig, SinkPlugin
from gateway.plugins import Plugins

SECTIONS: Mapping[str, type[PluginConfig]] = {
    "daemon": DaemonConfig,
    "http": HttpConfig,
    "engine": EngineConfig,
    "retention": RetentionConfig,
    "journal": JournalConfig,
    "drill": DrillConfig,
    "tickets": TicketsConfig,
    "defaults": DefaultsConfig,
    "flapping": FlappingConfig,
    "inhibition": InhibitionConfig,
    "storm": StormConfig,
    "stations": StationsConfig,
    "inventory": InventoryConfig,
}
"""Tables that stand once."""
ENTRIES: Mapping[str, type[PluginConfig]] = {
    "maintenance": MaintenanceConfig,
    "inhibit": InhibitConfig,
    "group": GroupConfig,
    "threshold": ThresholdConfig,
    "expect": ExpectConfig,
    "profile": ProfileConfig,
    "site": SiteConfig,
    "station": StationConfig,
    "source": SourceConfig,
    "rule": RuleConfig,
    "test": CaseConfig,
}
"""Arrays of tables; included files and rule packs may have these and nothing else."""
DEFAULT_PACKS = ("ietf", "mail-monitoring", "vendor-traps")
LISTS: Mapping[str, str] = {
    "rule_packs": "Shipped rule packs to use, by name, after the rules of the files; left out: "
    + ", ".join(f"`{pack}`" for pack in DEFAULT_PACKS)
    + ".",
    "include": "More files with `[[rule]]`, `[[expect]]`, `[[threshold]]`, `[[profile]]`, `[[site]]`, `[[station]]`, `[[source]]` and `[[test]]`, relative to this one; `*` is allowed. "
    "A file that ends in `.csv` is a table with one station, source or site in a row.",
}
"""Lists of texts, with what they mean."""

M = TypeVar("M", bound=PluginConfig)
P = TypeVar("P", CollectorPlugin, SinkPlugin)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def load(path: Path | None, *, plugins: Plugins) -> Config:
    """Read the configuration at ``path``, or the quick start's if it is None.

    Raises:
        ConfigError: with every mistake in every file.
    """
    return _Loader(plugins).load(path or quick_start_file())


def quick_start(*, plugins: Plugins) -> Config:
    """The configuration that holds when none is given."""
    return load(None, plugins=plugins)


class _Loader:
    """Collects mistakes while it reads."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._mistakes: list[Mistake] = []
        self._files: list[Path] = []
        self._entries: dict[str, list[crosscheck.Entry]] = {kind: [] for kind in ENTRIES}

    def load(self, path: Path) -> Config:
        main = self._read(path)
        if main is None:
            raise ConfigError(self._mistakes)
        self._refuse_unknown(main, [*SECTIONS, *ENTRIES, *LISTS, "collectors", "sinks"])
        sections = {name: self._section(main, name, model) for name, model in SECTIONS.items()}
        collectors = self._instances(main, "collectors", self._plugins.collectors)
        sinks = self._instances(main, "sinks", self._plugins.sinks)
        self._take_entries(main)
        self._include(main)
        self._add_packs(main)
        self._mistakes += crosscheck.mistakes(
            main=main.source,
            tickets=cast("TicketsConfig", sections["tickets"]),
            drill=cast("DrillConfig", sections["drill"]),
            stations=cast("StationsConfig", sections["stations"]),
            collectors=collectors,
            names={group: _keys(main.data.get(group)) for group in ("collectors", "sinks")},
            entries=self._entries,
            plugins=self._plugins,
        )
        series = self._planned()
        if self._mistakes:
            raise ConfigError(self._in_order())
        return Config(
            path=path,
            files=tuple(self._files),
            daemon=cast("DaemonConfig", sections["daemon"]),
            http=cast("HttpConfig", sections["http"]),
            engine=cast("EngineConfig", sections["engine"]),
            retention=cast("RetentionConfig", sections["retention"]),
            drill=cast("DrillConfig", sections["drill"]),
            journal=cast("JournalConfig", sections["journal"]),
            tickets=cast("TicketsConfig", sections["tickets"]),
            defaults=cast("DefaultsConfig", sections["defaults"]),
            flapping=cast("FlappingConfig", sections["flapping"]),
            storm=cast("StormConfig", sections["storm"]),
            inhibition=cast("InhibitionConfig", sections["inhibition"]),
            stations=cast("StationsConfig", sections["stations"]),
            inventory=cast("InventoryConfig", sections["inventory"]),
            threshold=self._values("threshold", ThresholdConfig),
            expect=self._values("expect", ExpectConfig),
            profile=self._values("profile", ProfileConfig),
            site=self._values("site", SiteConfig),
            station=self._values("station", StationConfig),
            source=self._values("source", SourceConfig),
            collectors={
                found.name: CollectorInstance(name=found.name, plugin=found.plugin, config=found.config)
                for found in collectors
                if found.enabled and found.config is not None
            },
            sinks={
                found.name: SinkInstance(name=found.name, plugin=found.plugin, config=found.config, shadow=found.shadow)
                for found in sinks
                if found.enabled and found.config is not None
            },
            maintenance=self._values("maintenance", MaintenanceConfig),
            series=series,
            inhibit=self._values("inhibit", InhibitConfig),
            group=self._values("group", GroupConfig),
            rules=tuple(rule.compiled() for rule in self._values("rule", RuleConfig)),
            places={entry.value.name: entry.place for entry in self._entries["rule"]},  # type: ignore[attr-defined]
            tests=tuple(_case(entry) for entry in self._entries["test"]),
        )

    def _planned(self) -> tuple[Series, ...]:
        """The maintenance windows, with their calendars read."""
        series = []
        for entry in self._entries["maintenance"]:
            assert isinstance(entry.value, MaintenanceConfig)  # noqa: S101 - what `_take_entries` made of it
            try:
                series.append(Series(entry.value, folder=Path(entry.source.name).parent))
            except ValueError as error:
                self._mistakes.append(entry.mistake("ical", str(error)))
        return tuple(series)

    def _in_order(self) -> list[Mistake]:
        order = {str(path): number for number, path in enumerate(self._files)}
        return sorted(self._mistakes, key=lambda mistake: (order.get(mistake.file, len(order)), mistake.line))

    def _values(self, kind: str, model: type[M]) -> tuple[M, ...]:
        return tuple(entry.value for entry in self._entries[kind] if isinstance(entry.value, model))

    # --- files ---

    def _read(self, path: Path) -> Document | None:
        document = read_table(path) if path.suffix == ".csv" else read(path)
        self._files.append(path)
        if isinstance(document, Mistake):
            self._mistakes.append(document)
            return None
        return document

    def _include(self, main: Document) -> None:
        folder = Path(main.source.name).parent
        for index, pattern in enumerate(self._texts(main, "include", ())):
            wild = any(sign in pattern for sign in "*?[")
            try:
                paths = sorted(folder.glob(pattern)) if wild else [folder / pattern]
            except (NotImplementedError, ValueError):  # absolute, or ** within a name
                paths = []
            if not paths:
                text = f'"{pattern}" names no file under {folder}; correct the pattern, or give one path for each file'
                self._mistakes.append(main.source.mistake(("include", index), text))
            for path in paths:
                self._read_entries(path)

    def _add_packs(self, main: Document) -> None:
        packs = rule_packs()
        for index, name in enumerate(self._texts(main, "rule_packs", DEFAULT_PACKS)):
            if name in packs:
                self._read_entries(packs[name])
            else:
                text = f'there is no shipped rule pack "{name}"; {did_you_mean(name, packs)}'
                self._mistakes.append(main.source.mistake(("rule_packs", index), text))

    def _read_entries(self, path: Path) -> None:
        if path in self._files:
            return
        document = self._read(path)
        if document is not None:
            self._refuse_unknown(document, list(ENTRIES))
            self._take_entries(document)

    # --- what is in a file ---

    def _refuse_unknown(self, document: Document, known: Iterable[str]) -> None:
        known = list(known)
        for key in document.data:
            if key not in known:
                self._mistakes.append(document.source.mistake((key,), unknown_key(key, known)))

    def _texts(self, document: Document, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        given = document.data.get(key, default)
        if isinstance(given, list | tuple) and all(isinstance(text, str) for text in given):
            return tuple(given)
        self._mistakes.append(document.source.mistake((key,), f'must be a list of texts: {key} = ["..."]'))
        return ()

    def _section(self, document: Document, name: str, model: type[PluginConfig]) -> PluginConfig:
        """The section, or its defaults if it is left out or wrong (so that the other checks go on)."""
        return self._validate(model, document.data.get(name, {}), document.source, (name,)) or model()

    def _validate(self, model: type[M], data: object, source: Source, path: KeyPath, key: str = "") -> M | None:
        try:
            return model.model_validate(data)
        except ValidationError as error:
            found = mistakes_of(error, source=source, prefix=path, data=data, model=model)
            self._mistakes += [crosscheck.named(mistake, path, key) for mistake in found]
            return _what_is_right(model, data, error)

    def _instances(self, document: Document, group: str, known: Mapping[str, P]) -> list[crosscheck.Instance[P]]:
        tables = document.data.get(group, {})
        source, found = document.source, []
        if not isinstance(tables, dict):
            self._mistakes.append(source.mistake((group,), f"must be tables: [{group}.NAME]"))
            return []
        for name, table in tables.items():
            path: KeyPath = (group, name)
            if not isinstance(table, dict):
                self._mistakes.append(source.mistake(path, f"must be a table: [{group}.{name}]"))
                continue
            if not _NAME.fullmatch(name):
                text = "is no name; use up to 64 letters, digits, - and _"
                self._mistakes.append(source.mistake(path, text))
            instance = self._instance(source, path, dict(table), known)
            if instance is not None:
                found.append(instance)
        return found

    def _instance(
        self, source: Source, path: KeyPath, table: dict[str, object], known: Mapping[str, P]
    ) -> crosscheck.Instance[P] | None:
        name = str(path[-1])
        kind = table.pop("type", name)
        enabled = self._switch(source, (*path, "enabled"), table, default=True)
        shadow = path[0] == "sinks" and self._switch(source, (*path, "shadow"), table, default=False)
        plugin = known.get(kind) if isinstance(kind, str) else None
        if plugin is None:
            text = f'there is no plugin "{kind}" (name one with type = "..."); {did_you_mean(str(kind), known)}'
            self._mistakes.append(source.mistake((*path, "type") if (*path, "type") in source.lines else path, text))
            return None
        config = self._validate(plugin.config, table, source, path)
        return crosscheck.Instance(name=name, plugin=plugin, config=config, enabled=enabled, shadow=shadow, path=path)

    def _switch(self, source: Source, path: KeyPath, table: dict[str, object], *, default: bool) -> bool:
        """Take one of the host's own switches out of an instance's table."""
        given = table.pop(str(path[-1]), default)
        if not isinstance(given, bool):
            self._mistakes.append(source.mistake(path, "must be true or false"))
            return default
        return given

    def _take_entries(self, document: Document) -> None:
        for kind, model in ENTRIES.items():
            tables = document.data.get(kind, [])
            if not isinstance(tables, list):
                self._mistakes.append(document.source.mistake((kind,), f"must be an array of tables: [[{kind}]]"))
                continue
            for index, table in enumerate(tables):
                path: KeyPath = (kind, index)
                name = table.get("name") if isinstance(table, dict) else None
                key = f'{kind} "{name}"' if isinstance(name, str) and name else key_text(path)
                value = self._validate(model, table, document.source, path, key)
                if value is not None:
                    self._entries[kind].append(crosscheck.Entry(value, document.source, path, key))


def _what_is_right(model: type[M], data: object, error: ValidationError) -> M | None:
    """A stand-in for what has mistakes, without the keys concerned, so that the checks across sections go on."""
    wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
    try:
        return (
            model.model_validate({key: value for key, value in data.items() if key not in wrong})
            if isinstance(data, dict)
            else None
        )
    except ValidationError:
        return None


def _case(entry: crosscheck.Entry) -> Case:
    """A test with the lines of its steps."""
    config = cast("CaseConfig", entry.value)
    lines = [entry.source.lines.get((*entry.path, "step", number), entry.line) for number in range(len(config.step))]
    return Case(config=config, file=entry.source.name, lines=(entry.line, *lines))


def _keys(table: object) -> frozenset[str]:
    return frozenset(table) if isinstance(table, dict) else frozenset()
