"""Vouchers: an amount off, for so many customers, once each."""

from __future__ import annotations

from decimal import Decimal

from storied import Command, Entity, Id, Rejected, on

from .application import app
from .catalogue import MOST
from .events import VoucherIssued, VoucherRedeemed


class Voucher(Entity):
    """How much it is worth, how often it may be used, and who has used it."""

    amount: Decimal = Decimal(0)
    uses: int = 0
    redeemed_by: list[str] = []

    @on
    def issued(self, event: VoucherIssued) -> None:
        self.amount, self.uses = event.amount, event.uses

    @on
    def redeemed(self, event: VoucherRedeemed) -> None:
        self.redeemed_by.append(event.customer)

    def check(self, customer: str) -> None:
        """Passes a customer who may use it now."""
        if not self.uses:
            raise Rejected("unknown-voucher", f"there is no voucher {self.id}")
        if customer in self.redeemed_by:
            raise Rejected("voucher-used", f"customer {customer} has used voucher {self.id} before")
        if len(self.redeemed_by) >= self.uses:
            raise Rejected("voucher-exhausted", f"voucher {self.id} was used {self.uses} times, which is all it allows")


class IssueVoucher(Command):
    """Marketing gives *amount* away, at most *uses* times."""

    voucher: Id
    amount: Decimal
    uses: int


@app.command("POST /vouchers", rejects=["voucher-exists", "bad-voucher"])
def issue(command: IssueVoucher, voucher: Voucher) -> VoucherIssued:
    """Issues a voucher under a new code."""
    if voucher.uses:
        raise Rejected("voucher-exists", f"voucher {command.voucher} was issued before")
    if not (0 < command.amount <= MOST and 1 <= command.uses <= MOST):
        raise Rejected("bad-voucher", "a voucher is worth something, at least once")
    return VoucherIssued(voucher=command.voucher, amount=command.amount, uses=command.uses)
