"""Model cards: one data file per vendor, and the loader that reads them."""
