"""The loopback API for containers: resources, tokens, evidence and measurements over HTTP."""
