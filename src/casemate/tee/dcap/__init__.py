"""Intel DCAP: quotes of SGX enclaves and TDs, what Intel publishes about platforms, and both checked.

``quote`` and ``pck`` read bytes, ``collateral`` finds what is needed among the files given, and
``verification`` holds the steps that ``tdx``, ``sgx`` and Azure's TDs share.
"""
