"""The laptop: one machine that plays every party. Up, down, doctor, demo, attacks, bench."""
