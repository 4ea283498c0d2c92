"""Text: cleaning, mining of domain terms, structuring, rendering."""
