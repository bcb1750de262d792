"""The edge to the kernel and to programs: the only room that imports subprocess, ctypes and fcntl."""
