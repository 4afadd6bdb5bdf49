"""The agents of the demonstration: small programs that know nothing but the document they are given."""
