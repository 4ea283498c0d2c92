"""What is watched: each day's events beside those of the fit, and the arms of an experiment."""
