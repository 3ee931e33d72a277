"""What people and machines get to see of a report: ``terminal``, ``junit``, ``plain`` (JSON), ``page`` (HTML)."""
