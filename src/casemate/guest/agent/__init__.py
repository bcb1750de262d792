"""The agent: kata's API over crun. The host asks, the pod's policy decides, the agent does it."""
