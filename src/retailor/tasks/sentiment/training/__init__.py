"""How networks learn to read sentiment: from labels, from few of them, from none."""
