"""Opens databases and migrates them; knows no table's meaning."""
