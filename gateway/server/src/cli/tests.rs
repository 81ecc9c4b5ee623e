//! Commands against a gateway that answers from canned documents.
