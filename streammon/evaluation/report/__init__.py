"""What was found, shown: on the terminal, as JSON, as one page."""
