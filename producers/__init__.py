"""What happened outside: watched folders and listed sources become events."""
