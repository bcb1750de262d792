"""One engine behind one door: compile once, evaluate, explain."""
