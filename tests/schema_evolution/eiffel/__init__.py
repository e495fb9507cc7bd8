"""The 24 event types of the Eiffel protocol as today's classes, and what leads to them from every published version.

The classes take the newest shape and nothing beside it, so an upcaster that forgets a field is found. A version is the
place of the published one in its type's history: 1.0.0 is 1, 1.0.1 is 2, and so on.
"""
