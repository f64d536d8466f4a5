"""The command `carlib`: a module a command."""
