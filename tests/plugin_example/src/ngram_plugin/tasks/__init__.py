"""Task cards and their files."""
