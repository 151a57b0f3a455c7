"""rrweb events <-> token ids, personal data left out. Imports no torch and no datasets."""
