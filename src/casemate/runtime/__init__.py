"""The node: a pod's sandbox, from request to stop, over the hypervisor and agent protocols."""
