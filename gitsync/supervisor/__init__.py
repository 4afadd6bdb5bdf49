"""Keep the agents of a machine: who they are, how they are, and the programs that gitsync runs for them."""
