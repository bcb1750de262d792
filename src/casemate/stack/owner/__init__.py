"""The pod's owner on this machine: documents, keys, and the commands an owner runs."""
