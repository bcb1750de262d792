"""What is expected: reference values, how they are registered, how long they hold."""
