"""The command line: one file per command, thin, importing nothing heavy before it must."""
