"""From one query to its answer: candidates, scores, filters, neighbours, reasons."""
