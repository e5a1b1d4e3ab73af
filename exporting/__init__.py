"""A trained generator taken elsewhere: other formats, the Hub, a web page."""
