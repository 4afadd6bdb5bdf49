"""Signatures that survive a message's way: keys, the SSHSIG format, whose key counts, what a signature is worth."""
