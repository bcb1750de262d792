"""The native library under all of our cryptography, loaded by itself.

Who imports this first has the longest of all imports behind them before any other module is
needed: emulated, it takes a third of a second, in which another process can import the rest.
"""

import cryptography.hazmat.bindings._rust  # noqa: F401
