"""What each part weighs, by how cold the customer and the item are."""
