"""What vendors publish, brought to where pure verifiers look: planned by them, fetched here.

The one place of ``tee/`` that reads the network and a folder. A verifier's plan names documents;
they come out of a cache on disk, or of the vendor's service, bounded in size, time and rate. What
came is never trusted for where it came from: it is handed on, and proves itself.
"""
