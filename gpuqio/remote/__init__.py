"""Azure Quantum over HTTP: the messages, which client and server share, and the client."""
