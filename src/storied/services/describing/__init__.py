"""What the services can be asked, as an OpenAPI document and as a page."""
