"""The JSON Schema of a configuration file, for editors; ``config/tocsin.schema.json`` is the one of what we ship."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from gateway.config.load import DEFAULT_PACKS, ENTRIES, LISTS, SECTIONS
from gateway.plugin import CollectorPlugin, PluginConfig, SinkPlugin, descriptions
from gateway.plugins import Plugins

Schema = dict[str, Any]
SHADOW = "Whether it records the calls that it would make, and makes none."
MODE: JsonSchemaMode = "validation"


def text(plugins: Plugins) -> str:
    """The schema as it is written to a file."""
    return json.dumps(schema(plugins), indent=2, ensure_ascii=False).replace("``", "`") + "\n"


def schema(plugins: Plugins) -> Schema:
    """The schema of the whole file, with the options of every plugin in ``plugins``."""
    models = [*SECTIONS.values(), *ENTRIES.values()]
    models += [collector.config for collector in plugins.collectors.values()]
    models += [sink.config for sink in plugins.sinks.values()]
    references, definitions = models_json_schema(
        [(model, MODE) for model in models], by_alias=True, schema_generator=_Described
    )

    def of(model: type[PluginConfig]) -> Schema:
        return dict(references[model, MODE])

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tocsin configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "rule_packs": _texts(LISTS["rule_packs"], DEFAULT_PACKS),
            "include": _texts(LISTS["include"], ()),
            **{name: of(model) for name, model in SECTIONS.items()},
            "collectors": _instances("Collectors by name.", plugins.collectors, definitions, of),
            "sinks": _instances("Sinks by name.", plugins.sinks, definitions, of),
            **{name: {"type": "array", "items": of(model)} for name, model in ENTRIES.items()},
        },
        "$defs": definitions["$defs"],
    }


class _Described(GenerateJsonSchema):
    """Adds what each option is for."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        model: type[PluginConfig] = schema["cls"]
        made = super().model_schema(schema)
        for name, about in descriptions(model).items():
            if about:
                made["properties"][model.model_fields[name].alias or name]["description"] = about
        return made


def _texts(about: str, default: Iterable[str]) -> Schema:
    return {"type": "array", "items": {"type": "string"}, "description": about, "default": list(default)}


def _instances(
    about: str, plugins: Mapping[str, CollectorPlugin] | Mapping[str, SinkPlugin], definitions: Schema, of: Any
) -> Schema:
    """Tables named after a plugin are of its type; any other name says its ``type``."""
    for plugin in plugins.values():
        definition = definitions["$defs"][of(plugin.config)["$ref"].rpartition("/")[2]]
        options = definition.setdefault("properties", {})
        options["type"] = {"const": plugin.name, "description": "The plugin; left out: the table's name."}
        options["enabled"] = {"type": "boolean", "default": True, "description": "Whether it is used."}
        if isinstance(plugin, SinkPlugin):
            options["shadow"] = {"type": "boolean", "default": False, "description": SHADOW}
    return {
        "type": "object",
        "description": about,
        "properties": {name: of(plugin.config) for name, plugin in plugins.items()},
        "additionalProperties": {
            "required": ["type"],
            "anyOf": [of(plugin.config) for plugin in plugins.values()],
        },
    }
