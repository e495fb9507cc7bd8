"""Reviews: asked for once the parcel is there (or will not come), answered once."""

from __future__ import annotations

from storied import Command, Context, Id, Rejected

from .application import app
from .events import ReviewAnswered, ReviewRequested
from .orders import Order

REVIEWABLE = {"delivered", "canceled", "unavailable"}


class RequestReview(Command):
    """Asks the customer how it went."""

    order: Id


class AnswerReview(Command):
    """The customer's answer: 1 to 5, and some words."""

    order: Id
    review: Id
    score: int
    title: str = ""
    message: str = ""


@app.command("POST /orders/{order}/reviews", rejects=["too-early"])
def request_review(command: RequestReview, order: Order, context: Context) -> ReviewRequested:
    """Sends a request for a review under a new id."""
    if order.status not in REVIEWABLE:
        raise Rejected("too-early", f"order {order.id} is {order.status or 'unknown'}, so there is nothing to review")
    return ReviewRequested(order=order.id, customer=order.customer, review=context.new_id())


@app.command("POST /orders/{order}/reviews/{review}", rejects=["unknown-review", "already-answered", "bad-score"])
def answer_review(command: AnswerReview, order: Order) -> ReviewAnswered:
    """Takes the answer to a request that is open."""
    if command.review not in order.reviews:
        raise Rejected("unknown-review", f"no review {command.review} was asked for on order {order.id}")
    if order.reviews[command.review]:
        raise Rejected("already-answered", f"review {command.review} was answered before")
    if not 1 <= command.score <= 5:
        raise Rejected("bad-score", f"a score is from 1 to 5, not {command.score}")
    return ReviewAnswered(
        order=order.id,
        customer=order.customer,
        review=command.review,
        score=command.score,
        title=command.title,
        message=command.message,
    )
