"""The layouts of the known data sets, each read into a `Dataset` and checked on the way."""
