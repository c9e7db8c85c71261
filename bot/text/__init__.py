"""How Chinese text is read, without its meaning."""
