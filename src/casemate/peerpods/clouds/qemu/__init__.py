"""The local cloud: QEMU with OVMF and swtpm on this machine, as an ordinary user."""
