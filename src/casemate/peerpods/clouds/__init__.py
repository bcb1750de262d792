"""Where VMs come from: one file or folder for each cloud, found through ``peerpods.providers``."""
