"""From a TOML file to a `Config`, or to a list of everything that is wrong with it."""

import dataclasses
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from trio_finger.config._contradictions import find_contradictions
from trio_finger.config._lines import Key, error_line, find_lines
from trio_finger.config._reading import expected
from trio_finger.config._sections import IN_FILE, Config
from trio_finger.config._source_sections import KINDS, ProgramSource, Service, Source
from trio_finger.config._types import read_value
from trio_finger.protocol.text import escape, fold, parse_name


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file; ``str()`` of it is a line for the operator.

    Attributes:
      file: the file.
      line: its line, from 1, if one can be named.
      words: the key where there is one, what is wrong, and what would be right.
    """

    file: Path
    line: int | None
    words: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return escape(f"{place}: {self.words}")


class ConfigError(Exception):
    """A configuration that cannot be used; ``str()`` of it has a line a fault.

    Attributes:
      faults: what is wrong.
      rest: the sections without a fault.
    """

    def __init__(self, faults: list[Fault], rest: Config | None = None) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults
        self.rest = rest or Config()


def load_config(path: Path) -> Config:
    """Read the configuration file at *path*.

    Raises:
      ConfigError: it has faults; all of them are named.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Fault(path, None, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(path, line, "not UTF-8 text")]) from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line_number, words = error_line(error)
        raise ConfigError([Fault(path, line_number, f"not TOML: {words}")]) from None
    except (ValueError, RecursionError):
        words = "not TOML: a number too long, or brackets too deep"
        raise ConfigError([Fault(path, None, words)]) from None

    reader = _Reader(path.parent)
    config = reader.read(document)
    if reader.faults:
        lines = find_lines(text, (key for key, _ in reader.faults))
        faults = [
            Fault(path, lines[key], f"{_spell(key)}: {words}") for key, words in reader.faults
        ]
        raise ConfigError(sorted(faults, key=lambda fault: fault.line or 0), config)
    return config


class _Reader:
    """Reads a whole document and collects every fault as ``(path of the key, words)``."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.faults: list[tuple[Key, str]] = []

    def read(self, document: dict[str, Any]) -> Config:
        """Return the configuration, without the sections that have faults."""
        kinds = {name: _section_type(hint) for name, hint in get_type_hints(Config).items()}
        readers = {"source": self._read_sources, "service": self._read_services}
        known = {
            name: kind for name, kind in kinds.items() if kind is not None and name not in readers
        }
        sections: dict[str, Any] = {}
        # Where statuses are kept is not a service: it is there without being named.
        for name, table in ({"store": {}} | document).items():
            if name in readers:
                sections[name] = readers[name](table)
            elif name not in known:
                words = _suggest(name, [*known, *readers])
                self.faults.append(((name,), f"unknown section{words}"))
            elif not isinstance(table, dict):
                self.faults.append(((name,), f"expected a section [{name}]"))
            elif (section := self._read_section((name,), known[name], table)) is not None:
                sections[name] = section
        config = Config(**sections)
        self.faults.extend(find_contradictions(config, document))
        return config

    def _read_sources(self, tables: object) -> tuple[Source, ...]:
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.faults.append((("source",), "expected tables, each under [[source]]"))
            return ()
        sources = []
        for number, table in enumerate(tables):
            kind, rest = table.get("kind"), {key: table[key] for key in table if key != "kind"}
            if kind not in KINDS:
                words = " or ".join(f'"{known}"' for known in KINDS)
                if "kind" in table:
                    self.faults.append((("source", number, "kind"), str(expected(words, kind))))
                else:
                    self.faults.append((("source", number), f"expected {words} as kind"))
                continue
            source = self._read_section(("source", number), KINDS[kind], rest)
            if isinstance(source, ProgramSource) and "{user}" not in " ".join(source.command[1:]):
                key = ("source", number, "command")
                self.faults.append((key, 'expected "{user}" among the arguments'))
            elif source is not None:
                sources.append(source)
        return tuple(sources)

    def _read_services(self, tables: object) -> dict[str, Service]:
        if not isinstance(tables, dict):
            self.faults.append((("service",), "expected tables, each under [service.NAME]"))
            return {}
        services: dict[str, Service] = {}
        for name, table in tables.items():
            key = ("service", name)
            try:
                parse_name(name)
            except ValueError as error:
                self.faults.append((key, str(error)))
                continue
            if fold(name) in map(fold, services):
                self.faults.append((key, "there is one of that name already"))
                continue
            if not isinstance(table, dict):
                self.faults.append((key, f"expected a section [service.{name}]"))
                continue
            service = self._read_section(key, Service, table)
            if service is not None and (service.file is None) == (not service.command):
                self.faults.append((key, "expected either a file or a command"))
            elif service is not None:
                services[name] = service
        return services

    def _read_section(self, name: Key, section: type, table: dict[str, Any]) -> Any:
        kinds = get_type_hints(section)
        values: dict[str, Any] = {}
        before = len(self.faults)
        for key, value in table.items():
            if key not in kinds:
                self.faults.append(((*name, key), f"unknown key{_suggest(key, kinds)}"))
                continue
            try:
                values[key] = read_value(value, kinds[key], self.base)
            except ValueError as error:
                self.faults.append(((*name, key), str(error)))
        for field in dataclasses.fields(section):
            if field.name in table:
                continue
            if IN_FILE in field.metadata:
                default = field.metadata[IN_FILE]
                try:
                    values[field.name] = read_value(default, kinds[field.name], self.base)
                except ValueError as error:  # the file is too deep down for a socket beside it
                    self.faults.append((name, f"name {field.name}, for by default {error}"))
            elif field.default is field.default_factory is dataclasses.MISSING:
                self.faults.append((name, f'the key "{field.name}" is missing'))
        return section(**values) if len(self.faults) == before else None


def _section_type(hint: Any) -> type | None:
    """Return the section that *hint*, the type of an attribute of `Config`, speaks of."""
    for kind in (hint, *get_args(hint)):
        if kind is not NoneType and dataclasses.is_dataclass(kind):
            assert isinstance(kind, type)
            return kind
    return None


def _spell(key: Key) -> str:
    """Return *key* as people know it; of tables without a name, the line says which it is."""
    return ".".join(part for part in key if isinstance(part, str))


def _suggest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return "; known are " + ", ".join(known)
