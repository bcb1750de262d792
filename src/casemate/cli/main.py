"""The command line's root: replaced below by the stack's author."""


def main() -> None:
    """Run the command line."""
