"""JSON Schemas: made of types and of records, read, compared with records, and compiled into decoders."""
