"""PostgreSQL: the tables and all SQL, one module a subject. Imported only inside `bot`."""
