"""Intel DCAP: quotes of enclaves and TDs, what Intel publishes on platforms, and both verified.

``quote`` and ``pck`` read bytes, ``collateral`` finds what is needed among the files given, and
``verification`` holds the steps that ``tdx``, ``sgx`` and Azure's TDs share.
"""
