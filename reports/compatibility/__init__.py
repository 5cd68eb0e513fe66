"""What each tool can do, by version and family, like a browser-support table; made from stored runs alone."""
