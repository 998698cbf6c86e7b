"""Training side of persona-engine: data, augmentation, networks, and the system file that the engine reads."""
