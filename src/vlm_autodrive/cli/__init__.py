"""The command line: one file per verb, thin, importing nothing heavy before it must."""
