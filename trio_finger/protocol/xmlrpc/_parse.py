"""Reading a call: expat tells what stands there, and each element is evaluated as it ends.

The standard library's reader "gladly accepts bogus XML-RPC data", as it says itself,
and on the rest fails in half a dozen ways. Here whatever does not belong is a `Fault`.
Nothing recurses, so no depth of nesting can exhaust the stack.
"""

import codecs
import re
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from trio_finger.protocol.xmlrpc._fault import Code, Fault, invalid
from trio_finger.protocol.xmlrpc._scalars import SCALARS

# The deepest call that anybody needs, a multicall with a list for an argument, is 16 deep.
MAX_DEPTH = 64  # elements
# A multicall of a hundred calls has 1,400.
MAX_ELEMENTS = 10_000

# Those that expat knows, without the wide ones. Every one more would be one more in
# which a text can pass for another.
_CODECS = {"utf-8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "iso-8859-1"}
_DECLARED = re.compile(rb"""<\?xml\s[^>]*?\bencoding\s*=\s*["']([^"'>]*)""")
# UTF-16 and UTF-32: their byte order marks, and the ways in which "<" begins in them.
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00", b"<\x00")

_VALUE_TYPES = SCALARS.keys() - {"methodName", "name"} | {"array", "struct"}


@dataclass(frozen=True, slots=True)
class Call:
    """What a client asks for.

    Attributes:
      method: the name of a method, which may not exist.
      params: its arguments: ``str``, ``int``, ``bool``, ``float``, ``bytes``, ``None``,
        ``xmlrpc.client.DateTime``, and ``list`` and ``dict`` of these.
    """

    method: str
    params: tuple[Any, ...] = ()


def parse_call(body: bytes) -> Call:
    """Parse the body of a request.

    Args:
      body: a whole XML document. Time and memory are proportional to its length,
        which is the caller's to limit.

    Raises:
      Fault: it is no call. The first three codes of `Code` say that it is no XML that
        can be read, ``INVALID_REQUEST`` says that it is no XML-RPC.
    """
    text = _decode(body)
    # Expat obeys a handler that refuses a DTD only once it has read, and expanded, all
    # the rest; but no DTD can begin without this word. A call that quotes it in a CDATA
    # section is refused along with it.
    if "<!DOCTYPE" in text:
        raise invalid("a document type definition")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.characters
    parser.EndElementHandler = reader.end
    parser.ProcessingInstructionHandler = reader.instruction
    try:
        # A `str` is taken as it is, whatever encoding it declares.
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise Fault(Code.NOT_WELL_FORMED, f"not well formed: {error}") from None
    assert reader.call is not None
    return reader.call


def _decode(body: bytes) -> str:
    """Decode *body* from the encoding that it declares, or from UTF-8."""
    body = body.removeprefix(codecs.BOM_UTF8)
    declared = _DECLARED.match(body)
    encoding = declared[1].decode("ascii", "replace").lower() if declared else "utf-8"
    if encoding not in _CODECS or body.startswith(_WIDE):
        raise Fault(Code.UNSUPPORTED_ENCODING, "unsupported encoding: send UTF-8")
    try:
        return body.decode(_CODECS[encoding])
    except UnicodeDecodeError as error:
        words = f"invalid character for encoding {encoding} at byte {error.start}"
        raise Fault(Code.INVALID_CHARACTER, words) from None


@dataclass(slots=True)
class _Element:
    """An element that has begun: its own text, and (tag, value) of what ended in it."""

    text: list[str] = field(default_factory=list)
    children: list[tuple[str, Any]] = field(default_factory=list)


class _Reader:
    """Hears from expat what a document holds; `call` is there when it has ended."""

    def __init__(self) -> None:
        self.call: Call | None = None
        self._open: list[_Element] = []
        self._count = 0

    def start(self, tag: str, _: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise invalid(f"more than {MAX_ELEMENTS} elements")
        if len(self._open) == MAX_DEPTH:
            raise invalid(f"elements nested more than {MAX_DEPTH} deep")
        if not self._open and tag != "methodCall":
            raise invalid("something else than a methodCall")
        self._open.append(_Element())

    def characters(self, text: str) -> None:
        self._open[-1].text.append(text)

    def end(self, tag: str) -> None:
        element = self._open.pop()
        value = _evaluate(tag, "".join(element.text), element.children)
        if self._open:
            self._open[-1].children.append((tag, value))
        else:
            self.call = value

    def instruction(self, _target: str, _data: str) -> None:
        raise invalid("a processing instruction")


def _evaluate(tag: str, text: str, children: list[tuple[str, Any]]) -> Any:
    """Return what an element stands for, given what those in it stand for."""
    if tag in SCALARS and not children:
        return SCALARS[tag](text)
    if text.strip() and (children or tag != "value"):
        raise invalid("text where only elements may be")
    match tag, children:
        case "value", []:
            return text  # without a type, it is a string
        case "value", [(kind, value)] if kind in _VALUE_TYPES:
            return value
        case "array", [("data", values)]:
            return values
        case "data", _:
            return _all("value", children)
        case "struct", _:
            members = _all("member", children)
            if len(struct := dict(members)) < len(members):
                raise invalid("two members of one name")
            return struct
        case "member", [("name", name), ("value", value)]:
            return name, value
        case "params", _:
            return _all("param", children)
        case "param", [("value", value)]:
            return value
        case "methodCall", [("methodName", method)]:
            return Call(method)
        case "methodCall", [("methodName", method), ("params", params)]:
            return Call(method, tuple(params))
    raise invalid("an element is missing, misplaced or unknown")


def _all(tag: str, children: list[tuple[str, Any]]) -> list[Any]:
    if any(child != tag for child, _ in children):
        raise invalid(f"something else where only {tag} may be")
    return [value for _, value in children]
