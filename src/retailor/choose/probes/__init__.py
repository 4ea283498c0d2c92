"""What a model is looked at with before it is trained: a file a task."""
