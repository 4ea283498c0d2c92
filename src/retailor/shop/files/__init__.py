"""Files: from bytes to rows, whatever the layout, packing and encoding."""
