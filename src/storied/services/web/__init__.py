"""HTTP as such: requests, answers, routes, problems and headers. Nothing here knows an app, a command or a view."""
