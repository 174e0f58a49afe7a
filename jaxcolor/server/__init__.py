"""A web page and an HTTP API that colour photographs, and keep none of them."""
