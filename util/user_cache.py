"""Where things are kept that can be made again."""
import os
from pathlib import Path


def user_cache() -> Path:
    """The user's folder for what can be brought or found out again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "bothways")
