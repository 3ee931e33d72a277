"""A connector as a process: what it is told on its command line, what it may write, and how it is stopped."""
