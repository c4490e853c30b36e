"""Postings and balances; append only."""
