"""The life of an order: which states there are, and which one counts when reports come out of order."""

STAGES = ("", "created", "approved", "processing", "invoiced", "shipped", "delivered", "unavailable", "canceled")
"""From not placed to the ends of its life. Whoever stands further right has the last word."""

_RANK = {status: rank for rank, status in enumerate(STAGES)}


def further(status: str, reached: str) -> str:
    """The state of an order that had *status* and is now reported to have *reached* another one.

    Reports arrive late and crosswise (the carrier's scan before the bank's approval), so an order never goes back.
    """
    return max(status, reached, key=_RANK.__getitem__)
