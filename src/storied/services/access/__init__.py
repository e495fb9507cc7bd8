"""Who may come in: identities and their credentials, and what is refused whatever it asks for."""
