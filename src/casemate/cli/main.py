"""The command line's root: a table of nouns, and one place where errors become exit codes.

0 done · 1 refused: a proof failed or a policy said no · 2 your mistake, or this machine's or the
other side's · 70 our mistake · 130 interrupted.
"""

import io
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, cast

import click

from casemate.cli import failure

NOUNS: Final = {
    "demo": "The whole story on this machine; ends with attacks that are refused.",
    "up": "Start the local stack: Trustee, registry, adaptor.",
    "down": "Stop the local stack; nothing is left behind.",
    "status": "Show what of the local stack runs.",
    "doctor": "Show what this machine has and lacks, and mend it.",
    "pod": "Run confidential pods: run, ps, logs, exec, trace, rm.",
    "image": "The owner's images: encrypt, sign, push, inspect.",
    "initdata": "A pod's own configuration: build, show, verify, diff.",
    "podvm": "The pod VM's disk: build, measure, diff.",
    "trustee": "Decide and hand out secrets: init, serve.",
    "kbs": "Speak to a Trustee: attest, get, set, policy, reference.",
    "evidence": "Look at evidence: show, verify, event log.",
    "adaptor": "Make VMs for pods: serve.",
    "attack": "Attack the local stack for real: list, run.",
    "bench": "Measure against a floor or a peer in the same run.",
}
"""Every command and its line of help; its code stands in ``casemate.cli.<noun>.command``."""


class Root(click.Group):
    """Loads a noun's module only when that noun is called; help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in NOUNS:
            return None
        module = import_module(f"casemate.cli.{cmd_name}")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(NOUNS.items()))


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 refused (with the reason), 2 your mistake.",
)
@click.version_option(package_name="casemate")
def root() -> None:
    """Confidential containers, end to end.

    \b
    Example:
      casemate demo
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files come out as they are
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Run one command; give its exit status. Errors are told, never raised.

    Click's own ``main`` is left out: it ends with 1, our "refused", when a reader goes away.
    """
    try:
        with root.make_context("casemate", list(arguments)) as context:
            status = root.invoke(context)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  # the one place where every error is told
        if isinstance(error, UnicodeEncodeError) and not _is_text(arguments):
            error = click.UsageError("an argument is no text in UTF-8")
        return failure.tell(error, as_json=failure.wants_json(arguments))
    return status if isinstance(status, int) else 0


def _is_text(arguments: Sequence[str]) -> bool:
    """Whether no argument has bytes that are no UTF-8: in a path they may be, in a name not."""
    return not any("\udc80" <= character <= "\udcff" for word in arguments for character in word)


if __name__ == "__main__":
    main()
