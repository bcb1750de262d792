"""Pods as VMs elsewhere: the remote-hypervisor service and its providers."""
