"""How the pages write moments."""
