"""The Airbyte protocol as values: messages, catalogs, and their form on the wire. Nothing here does IO."""
