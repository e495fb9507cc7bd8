"""What is seen of the services: metrics over all their processes, request ids, traces and the access log."""
