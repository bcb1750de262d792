"""Protobuf's message classes, each made when it is first asked for.

The code that protoc generates has the classes of all messages made as it is imported, a hundred of
them for the agent, which uses ten in a usual life. This stands in for the library's module that
makes them: it gives the generated module a ``__getattr__`` (PEP 562) which makes the class of one
message. Enumerations and their numbers are there at once, as they are with the library.
"""

from types import ModuleType
from typing import Any, Final

NAME: Final = "google.protobuf.internal.builder"
WELL_KNOWN: Final = "google.protobuf.internal.well_known_types"
"""Methods for the classes of protobuf's own messages (dates, durations), which ours do not use."""


def builder() -> ModuleType:
    """Give the stand-in for the module ``NAME``: two functions, which generated code calls."""
    made = ModuleType(NAME)
    made.BuildMessageAndEnumDescriptors = _nothing_yet  # type: ignore[attr-defined]
    made.BuildTopDescriptorsAndMessages = _build_later  # type: ignore[attr-defined]
    return made


def well_known() -> ModuleType:
    """Give the stand-in for the module ``WELL_KNOWN``, which the first class made asks for."""
    made = ModuleType(WELL_KNOWN)
    made.WKTBASES = {}  # type: ignore[attr-defined]
    return made


def _nothing_yet(_file: Any, _module: dict[str, Any]) -> None:
    """Leave out the names of descriptors: generated code uses them with pure Python alone."""


def _build_later(file: Any, name: str, module: dict[str, Any]) -> None:
    from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
    from google.protobuf.message_factory import GetMessageClass

    for kind in file.enum_types_by_name.values():
        module[kind.name] = EnumTypeWrapper(kind)
        module.update((value.name, value.number) for value in kind.values)
    messages = file.message_types_by_name

    def make(asked: str) -> Any:
        if asked not in messages:
            raise AttributeError(f"module {name!r} has no attribute {asked!r}")
        module[asked] = made = GetMessageClass(messages[asked])
        return made

    module["__getattr__"] = make
