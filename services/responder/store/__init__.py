"""The responder's tables, and every question asked of them. Rows stay in here."""
