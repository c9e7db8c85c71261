"""Who somebody is to us: stop and consent."""
