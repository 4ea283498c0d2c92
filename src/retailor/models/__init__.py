"""Models: encoders and generators, from a folder, a hub, a pip package or a remote endpoint."""
