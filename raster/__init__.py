"""Pictures as arrays: from a file to values with their type and range, and back to a file."""
