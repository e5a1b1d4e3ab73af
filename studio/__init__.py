"""The app: a page on this machine with rooms for data, training and translating."""
