"""Strict readers of OpenAPI 3.1: what breaks a rule of the document, or of a schema, fails.

Known is what our own document has need of. What is not known fails, too: so no keyword goes
unchecked. Sources: https://spec.openapis.org/oas/v3.1.1.html and JSON Schema 2020-12.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})

# What each object may have; what it must have, ends with a "!".
_FIELDS = {
    "document": "openapi! info! servers paths! components",
    "info": "title! version! summary description license",
    "license": "name! identifier",
    "server": "url! description",
    "components": "schemas responses securitySchemes",
    "operation": "operationId! summary description parameters requestBody responses! security",
    "parameter": "name! in! description required schema!",
    "body": "description content! required",
    "response": "description! headers content",
    "media": "schema!",
    "header": "description required schema!",
    "scheme": "type! scheme! description",
}
_KEYWORDS = frozenset(
    {
        *("description", "default", "type", "const", "enum", "anyOf", "oneOf", "not"),
        *("format", "pattern", "minLength", "maxLength", "items", "maxItems"),
        *("properties", "required", "additionalProperties", "dependentRequired"),
    }
)
_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-F]{2})+")
_IRI = re.compile(r'[a-z][a-z0-9+.-]*:[^\s<>"{}|\\^`]+')


class Document:
    """A description, once it is seen that it breaks no rule.

    Args:
      data: all of it, parsed.

    Attributes:
      operations: what may be done, by the method, in small letters, and the path.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self._used: set[str] = set()
        self.operations = dict(self._operations())
        self._check()

    def resolve(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return what *part* is, or stands for."""
        while "$ref" in part:
            assert part.keys() == {"$ref"}
            self._used.add(part["$ref"])
            begin, *steps = part["$ref"].split("/")
            assert begin == "#"
            part = self.data
            for step in steps:
                part = part[step]
        return part

    def responses(self, method: str, path: str) -> dict[str, dict[str, Any]]:
        """Return how an operation may be answered, by the status codes."""
        found = self.operations[method, path]["responses"]
        return {code: self.resolve(response) for code, response in found.items()}

    def check_value(self, value: Any, schema: dict[str, Any], at: str = "$") -> None:
        """Fail if *value* is not what *schema* says, or has something that it does not tell of."""
        schema = self.resolve(schema)
        names = schema.get("type", [])
        kinds = tuple(_TYPES[name] for name in ([names] if isinstance(names, str) else names))
        assert not kinds or isinstance(value, kinds), at
        assert "const" not in schema or value == schema["const"], at
        assert "enum" not in schema or value in schema["enum"], at
        if isinstance(value, str):
            _check_text(value, schema, at)
        if isinstance(value, list):
            assert len(value) <= schema.get("maxItems", len(value)), at
            for number, item in enumerate(value):
                self.check_value(item, schema["items"], f"{at}[{number}]")
        if isinstance(value, dict):
            assert value.keys() >= set(schema.get("required", ())), at
            if "type" in schema:
                self._check_object(value, schema, at)
        for word, fits in (("oneOf", {1}), ("anyOf", range(1, 100))):
            if word in schema:
                assert sum(self.is_valid(value, part) for part in schema[word]) in fits, at
        assert "not" not in schema or not self.is_valid(value, schema["not"]), at

    def is_valid(self, value: Any, schema: dict[str, Any]) -> bool:
        """Whether *value* is what *schema* says."""
        try:
            self.check_value(value, schema)
        except AssertionError:
            return False
        return True

    def _check_object(self, value: dict[str, Any], schema: dict[str, Any], at: str) -> None:
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties", False)
        for key, item in value.items():
            if key in properties or rest is not False:
                self.check_value(item, properties.get(key, rest), f"{at}.{key}")
            else:
                # Of an object without a word about it, anything may be there.
                assert not properties, f"{at}.{key}"
                assert "additionalProperties" not in schema, f"{at}.{key}"
        for key, others in schema.get("dependentRequired", {}).items():
            assert key not in value or value.keys() >= set(others), at

    def _operations(self) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
        for path, item in self.data["paths"].items():
            assert path.startswith("/")
            assert item.keys() <= METHODS | {"parameters"}
            for method in METHODS & item.keys():
                parameters = [*item.get("parameters", ()), *item[method].get("parameters", ())]
                yield (method, path), {**item[method], "parameters": parameters}

    def _check(self) -> None:
        data = self.data
        _has(data, "document")
        assert re.fullmatch(r"3\.1\.\d+", data["openapi"])
        _has(data["info"], "info")
        _has(data["info"]["license"], "license")
        for server in data["servers"]:
            _has(server, "server")
            assert _URI.fullmatch(server["url"])
            assert not server["url"].endswith("/")
        names = [operation["operationId"] for operation in self.operations.values()]
        assert len(set(names)) == len(names)
        shapes = [re.sub(r"\{[^}]*\}", "{}", path) for path in data["paths"]]
        assert len(set(shapes)) == len(shapes)  # no two that differ in a name alone
        for (_, path), operation in self.operations.items():
            self._check_operation(path, operation)
        parts = data["components"]
        _has(parts, "components")
        for kind, found in parts.items():
            for name, part in found.items():
                assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)
                if kind == "schemas":
                    self._check_schema(part)
                elif kind == "responses":
                    self._check_response(part)
                else:
                    _has(part, "scheme")
                    assert part["type"] == "http"
        # Nothing is there for nothing: what is referred to nowhere is told of in words.
        words = " ".join(found.get("description", "") for found in self.operations.values())
        named = {f"#/components/{kind}/{name}" for kind in parts for name in parts[kind]}
        for name in named - self._used:
            assert re.search(rf"\b{name.rpartition('/')[2]}\b", words), name

    def _check_operation(self, path: str, operation: dict[str, Any]) -> None:
        _has(operation, "operation")
        names = [(parameter["name"], parameter["in"]) for parameter in operation["parameters"]]
        assert len(set(names)) == len(names)
        in_path = {name for name, place in names if place == "path"}
        assert in_path == set(re.findall(r"\{([^}]*)\}", path))
        for parameter in operation["parameters"]:
            _has(parameter, "parameter")
            assert parameter["in"] in {"path", "query", "header"}
            assert parameter["in"] != "path" or parameter["required"] is True
            self._check_schema(parameter["schema"])
        if "requestBody" in operation:
            _has(operation["requestBody"], "body")
            self._check_content(operation["requestBody"]["content"])
        for way in operation.get("security", ()):
            for scheme, scopes in way.items():
                assert scopes == []
                self.resolve({"$ref": f"#/components/securitySchemes/{scheme}"})
        assert operation["responses"]
        for code, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", code)
            self._check_response(self.resolve(response))

    def _check_response(self, response: dict[str, Any]) -> None:
        _has(response, "response")
        for header in response.get("headers", {}).values():
            _has(header, "header")
            self._check_schema(header["schema"])
        self._check_content(response.get("content", {}))

    def _check_content(self, content: dict[str, Any]) -> None:
        for kind, media in content.items():
            assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", kind)
            _has(media, "media")
            self._check_schema(media["schema"])

    def _check_schema(self, schema: dict[str, Any]) -> None:
        if "$ref" in schema:
            self.resolve(schema)  # which is looked at where it is
            return
        assert schema.keys() <= _KEYWORDS, schema
        names = schema.get("type", [])
        assert ({names} if isinstance(names, str) else set(names)) <= _TYPES.keys()
        assert schema.get("format", "uri") in {"uri", "iri", "date-time"}
        re.compile(schema.get("pattern", ""))
        if "type" in schema and "properties" in schema:
            assert set(schema.get("required", ())) <= schema["properties"].keys()
        rest = schema.get("additionalProperties", False)
        parts = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
        parts += [*schema.get("oneOf", ()), *([rest] if rest is not False else ())]
        parts += [schema[key] for key in ("items", "not") if key in schema]
        for part in parts:
            self._check_schema(part)


def _check_text(value: str, schema: dict[str, Any], at: str) -> None:
    assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)), at
    assert re.search(schema.get("pattern", ""), value, re.ASCII), at
    match schema.get("format"):
        case "date-time":
            assert _DATE.fullmatch(value), at
            assert datetime.fromisoformat(value).tzinfo is not None, at
        case "uri":
            assert _URI.fullmatch(value), at
            assert urlsplit(value).scheme, at
        case "iri":
            assert _IRI.fullmatch(value), at


def _has(part: dict[str, Any], kind: str) -> None:
    """Fail if *part* has what such a thing cannot have, or has not what it must have."""
    fields = _FIELDS[kind].split()
    assert part.keys() <= {field.rstrip("!") for field in fields}, (kind, part.keys())
    assert part.keys() >= {field[:-1] for field in fields if field.endswith("!")}, (kind, part)
