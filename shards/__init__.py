"""Images in tar shards: a file in a shard is a path, `<shard>.tar/<member>`."""
