"""Names of things a key broker holds (guest-components §7).

``kbs[+<plugin>]://[<host>[:<port>]]/<segment>[/<segment>...][?<query>]``. The host part is kept in
the text form and never used for a connection: the broker that is asked is the configured one.
"""

import re
from typing import Final, Self

import msgspec

from casemate.errors import InputError

DEFAULT_PLUGIN: Final = "resource"
_LONGEST: Final = 2048
_MOST_SEGMENTS: Final = 32
_SPEC: Final = "guest-components §7"
_WANT: Final = "kbs[+plugin]://[host]/segment[/segment...][?query]"
_SHAPE: Final = re.compile(
    r"kbs(?:\+(?P<plugin>[A-Za-z0-9_.-]+))?://"
    r"(?P<host>[A-Za-z0-9_.:\[\]-]*)/(?P<path>[!-~]+?)(?:\?(?P<query>[!-~]*))?"
)
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_.~!$&'()*+,;=:@-]+")
# No percent sign: a broker that decodes it would see another path than the one written here.


class ResourceUri(msgspec.Struct, frozen=True):
    """One resource: which plugin answers for it, and its path there."""

    segments: tuple[str, ...]
    """At least one; none is empty, ``.`` or ``..``."""
    plugin: str = DEFAULT_PLUGIN
    host: str = ""
    """Host and port as written; not used to connect."""
    query: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the full form.

        Raises:
            InputError: another scheme, an empty plugin, a segment that could leave its folder.
        """
        match = _SHAPE.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            raise InputError("resource URI", got=text, want=_WANT, spec=_SPEC)
        return cls(
            _segments(match["path"], text),
            match["plugin"] or DEFAULT_PLUGIN,
            match["host"],
            match["query"],
        )

    @classmethod
    def parse_key_id(cls, text: str) -> Self:
        """Read the ``kid`` of an annotation packet as wrapping tools write it: a URI or ``/a/b/c``.

        Raises:
            InputError: neither of the two.
        """
        return cls.parse(f"kbs://{text}" if text.startswith("/") else text)

    @property
    def path(self) -> str:
        """Segments joined by slashes, without a leading one."""
        return "/".join(self.segments)

    @property
    def request_path(self) -> str:
        """What follows ``/kbs/v0/`` when the resource is asked for: ``plugin/path[?query]``."""
        return f"{self.plugin}/{self.path}{self._question}"

    @property
    def _question(self) -> str:
        return "" if self.query is None else f"?{self.query}"

    def __str__(self) -> str:
        plugin = "" if self.plugin == DEFAULT_PLUGIN else f"+{self.plugin}"
        return f"kbs{plugin}://{self.host}/{self.path}{self._question}"


def is_resource_uri(text: str) -> bool:
    """Tell whether ``text`` claims to be a resource URI, well formed or not."""
    return text.startswith(("kbs://", "kbs+"))


def _segments(path: str, text: str) -> tuple[str, ...]:
    segments = tuple(path.split("/"))
    if len(segments) > _MOST_SEGMENTS:
        raise InputError("resource URI", got=f"{len(segments)} segments", want="at most 32")
    for segment in segments:
        if segment in {".", ".."} or _SEGMENT.fullmatch(segment) is None:
            raise InputError("resource URI", got=text, want=_WANT, spec=_SPEC)
    return segments
