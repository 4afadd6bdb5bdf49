"""Three computers with real agents on this one, in a temporary folder: what `gitsync demo` shows.

It stands outside the program and uses it as a person would: command line, HTTP, files and git.
"""
