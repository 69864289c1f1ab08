"""Messages to real receivers."""
