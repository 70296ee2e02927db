"""HTTP in: replies and drafts, templates, the rules of replying, and how long people wait."""

from services.responder.api.shapes import REPLY_BODY_BYTES

__all__ = ["REPLY_BODY_BYTES"]
