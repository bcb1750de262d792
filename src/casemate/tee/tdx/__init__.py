"""Intel TDX: trust domains, by quotes of version 4 and 5 and the log that explains their RTMRs."""
