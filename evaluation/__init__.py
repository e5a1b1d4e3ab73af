"""What evaluate.py does: measuring results, folders and runs; and its own commands, one a file *_command.py."""
