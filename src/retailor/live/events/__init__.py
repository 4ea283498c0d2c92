"""Events in: read as they are sent, kept on the disk, known to the next answer and to the next run."""
