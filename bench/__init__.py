"""Speed of fastent against the floor of reading memory once, and against its peers."""
