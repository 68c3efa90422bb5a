"""rayscaler: API specifications in; certified environments, verified trajectories and a trained agent out, on Ray."""

import os
import sys

__version__ = "0.1.0"

if sys.platform == "linux":   # where Arrow is built with it; it reads this once, when it is imported
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
