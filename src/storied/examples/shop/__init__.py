"""A shop, the example to learn storied from: read events, then orders and placing, then views.

Everything else here is more of the same. `importer` fills it with real orders, `demo` with made-up ones.
"""

from . import catalogue, customers, fulfilment, orders, placing, reviews, shelf, views, vouchers
from .application import app

__all__ = ["app", "catalogue", "customers", "fulfilment", "orders", "placing", "reviews", "shelf", "views", "vouchers"]
