"""Table of attesters, in order of detection."""
