"""The authorisation centre: a small ASGI application beside the web, which gathers requests into batches."""
