"""From a request to documents: one or a list, as they are now, were, or change; and their histories."""
