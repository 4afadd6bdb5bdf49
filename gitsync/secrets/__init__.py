"""Keep secrets at home: find them in what is to be committed, take them out of what is written and shown. Pure."""
