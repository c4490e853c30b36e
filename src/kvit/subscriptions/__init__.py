"""Who takes which plan on what terms, and every change of that as an amendment."""
