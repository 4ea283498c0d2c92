"""What the generator learns: from reviews, and from what people made of drafts."""
