"""The edge to the kernel and to programs: only here are subprocess, ctypes and fcntl."""
