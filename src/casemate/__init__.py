"""Casemate: confidential containers, end to end, in Python.

Each room below is a party (trustee, guest, runtime, peerpods, podvm, workload) or a thing of the
domain (tee, oci, rego, wire, crypto); ``docs/architecture.md`` draws the walls between them.
"""

__version__ = "0.1.0"
