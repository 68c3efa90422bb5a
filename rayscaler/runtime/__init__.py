"""Where the pure packages meet the world: Ray, models, and all table I/O."""
