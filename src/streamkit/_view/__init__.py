"""A recorded stream as a page: `streamkit view`, `streamkit check --html`, and the pages of the server. Not public."""
