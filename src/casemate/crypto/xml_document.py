"""XML as signed documents use it: bounded, without DTD or entities, and its canonical form.

Only what a vendor's manifests hold is read: elements, attributes, text and namespaces. Comments are
passed over, as the canonical form passes over them; all else is refused. Canonical XML 1.1 without
comments; ``xml:`` attributes, which it treats apart, are refused too.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Self
from xml.parsers import expat  # no DTD, no entity, bounded in size, depth and count

from casemate.errors import PeerError

LARGEST: Final = 1 << 20
"""Bytes that are looked at; a manifest has about 20 KB."""
DEEPEST: Final = 16
MOST_NODES: Final = 8192
"""Elements and attributes together."""

_SPEC: Final = "Canonical XML 1.1"
_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_VALUE: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)
NO_SCOPE: Final[Mapping[str, str]] = MappingProxyType({"": ""})


class Node:
    """An element. Names are as written; ``scope`` resolves their prefixes."""

    __slots__ = ("attributes", "children", "name", "scope")

    def __init__(self, name: str, attributes: Mapping[str, str], scope: Mapping[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        """Without namespace declarations."""
        self.scope = scope
        """Prefix → namespace, of all that are in scope; ``""`` is the default's prefix."""
        self.children: list[Node | str] = []

    @property
    def qualified(self) -> tuple[str, str]:
        """Namespace and local name."""
        return _qualified(self.name, self.scope)

    def elements(self, namespace: str, name: str) -> Iterator["Node"]:
        """Give the elements directly below that have this name."""
        for child in self.children:
            if isinstance(child, Node) and child.qualified == (namespace, name):
                yield child

    def only(self, namespace: str, name: str) -> "Node":
        """Give the one element directly below that has this name.

        Raises:
            PeerError: there is none, or several.
        """
        found = list(self.elements(namespace, name))
        if len(found) != 1:
            raise _error(f"{len(found)} elements {name}", "one")
        return found[0]

    def attribute(self, name: str, namespace: str = "") -> str:
        """Give an attribute's value; empty without one."""
        for written, value in self.attributes.items():
            if _qualified(written, self.scope, default="") == (namespace, name):
                return value
        return ""

    @property
    def text(self) -> str:
        """The text directly inside."""
        return "".join(child for child in self.children if isinstance(child, str))

    def __repr__(self) -> str:
        return f"Node({self.name})"


class _Reader:
    """Builds the tree; every bound is enforced as it grows."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._count = 0
        parser = expat.ParserCreate()
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ProcessingInstructionHandler = self._instruction
        self.parser = parser

    def _start(self, name: str, written: list[str]) -> None:
        self._count += 1 + len(written) // 2
        if len(self._open) == DEEPEST or self._count > MOST_NODES:
            raise _error("a larger document", f"{DEEPEST} deep, {MOST_NODES} nodes")
        pairs = dict(zip(written[::2], written[1::2], strict=True))
        parent = self._open[-1] if self._open else None
        scope = _scope(parent.scope if parent else NO_SCOPE, pairs)
        own = {k: v for k, v in pairs.items() if not _declares(k)}
        node = Node(name, MappingProxyType(own), scope)
        _require_distinct(node)
        if parent is not None:
            parent.children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, content: str) -> None:
        if self._open:
            self._open[-1].children.append(content)

    def _doctype(self, *_: object) -> None:
        raise _error("a document type", "none")

    def _instruction(self, *_: object) -> None:
        raise _error("a processing instruction", "none")

    @classmethod
    def read(cls, raw: bytes) -> Self:
        reader = cls()
        try:
            reader.parser.Parse(raw, True)
        except (expat.ExpatError, LookupError, ValueError) as error:  # the others: of an encoding
            raise _error(error, "a well-formed document") from error
        return reader


def parse(raw: bytes) -> Node:
    """Read a document of at most 1 MiB.

    Raises:
        PeerError: not well-formed, too large or too deep, or with what is not read (see above).
    """
    if len(raw) > LARGEST:
        raise _error(f"{len(raw)} bytes", f"at most {LARGEST}")
    root = _Reader.read(raw).root
    if root is None:
        raise _error("no element", "one")
    return root


def canonical(node: Node, *, without: Node | None = None) -> bytes:
    """Write an element as Canonical XML 1.1; ``without`` leaves one element out."""
    parts: list[str] = []
    _write(node, NO_SCOPE, without, parts)
    return "".join(parts).encode()


def _write(node: Node, rendered: Mapping[str, str], without: Node | None, parts: list[str]) -> None:
    new = sorted(
        (prefix, uri) for prefix, uri in node.scope.items() if rendered.get(prefix, "") != uri
    )
    attributes = sorted(
        node.attributes.items(), key=lambda pair: _qualified(pair[0], node.scope, default="")
    )
    parts.append(f"<{node.name}")
    for prefix, uri in new:
        name = f"xmlns:{prefix}" if prefix else "xmlns"
        parts.append(f' {name}="{uri.translate(_VALUE)}"')
    for name, value in attributes:
        parts.append(f' {name}="{value.translate(_VALUE)}"')
    parts.append(">")
    for child in node.children:
        if isinstance(child, str):
            parts.append(child.translate(_TEXT))
        elif child is not without:
            _write(child, node.scope, without, parts)
    parts.append(f"</{node.name}>")


def _scope(outer: Mapping[str, str], pairs: Mapping[str, str]) -> Mapping[str, str]:
    declared = {name.partition(":")[2]: value for name, value in pairs.items() if _declares(name)}
    if not declared:
        return outer
    if any(prefix and not uri for prefix, uri in declared.items()) or "xml" in declared:
        raise _error("a prefix without its namespace", "one of each prefix")
    return MappingProxyType({**outer, **declared})


def _declares(name: str) -> bool:
    return name == "xmlns" or name.startswith("xmlns:")


def _require_distinct(node: Node) -> None:
    """Refuse names whose prefix nobody declared, and two attributes that are one."""
    _ = node.qualified
    names = [_qualified(name, node.scope, default="") for name in node.attributes]
    if len(set(names)) != len(names):
        raise _error("one attribute twice", "each once")


def _qualified(name: str, scope: Mapping[str, str], default: str | None = None) -> tuple[str, str]:
    """Resolve a name; ``default`` is the namespace of one without prefix, if not the scope's."""
    prefix, colon, local = name.rpartition(":")
    if not colon:
        return scope[""] if default is None else default, name
    if prefix not in scope:
        raise _error(f"prefix {prefix}", "one that is declared")
    return scope[prefix], local


def _error(got: object, want: str) -> PeerError:
    return PeerError("XML", got=got, want=want, spec=_SPEC)
