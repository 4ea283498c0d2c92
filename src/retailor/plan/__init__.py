"""The plan: from one TOML file to every stage's artifact, each made once and resumed after a kill."""
