"""Settings that every test shares."""

from hypothesis import settings

# The same examples each time, however busy the machine: a test breaks by a change, not by chance.
# `pytest --hypothesis-profile explore` looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("steady")
