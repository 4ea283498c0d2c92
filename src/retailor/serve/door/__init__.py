"""Who comes in, and how: keys, limits of connections and bodies, what is refused."""
