"""The Python door: a run opened as a function from pictures to pictures; the commands go through it, too."""
