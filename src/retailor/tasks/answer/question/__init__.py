"""What a question asks: its kind, its parts, and what earlier turns leave unsaid."""
