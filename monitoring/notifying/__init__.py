"""Who is told, when, and by which way: planning writes the outbox, delivery empties it."""
