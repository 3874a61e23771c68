"""What has ended is kept while EC2 goes on showing it, so that a server that is started anew shows it too."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from paddock.model.ids import DEFAULT_LAMBDA
from paddock.ports.store import EndedInstance, InstanceIntent, Transaction

ENDED_SHOWN = timedelta(hours=1)
"""AWS: terminated instances "remain visible for approximately one hour"."""
ENDED_AT_MOST = 1000
"""A fleet that replaces itself all day forgets the oldest of them sooner."""
FORGOTTEN_AT_ONCE = 10
"""More than one for each that comes is enough, however many are too many."""


def keep_ended(tx: Transaction, intent: InstanceIntent, now: datetime) -> None:
    """In the transaction that forgets the intent; the oldest go. Default Lambda's instance is shown to nobody."""
    if intent.provider == DEFAULT_LAMBDA:
        return
    ended = tx.ended_instances
    ended.put(EndedInstance(replace(intent, token=""), now))
    beyond = ended.count() - ENDED_AT_MOST
    oldest = ended.select(order_by="ended_at", limit=FORGOTTEN_AT_ONCE)
    ended.delete_many(
        [
            each.intent.instance_id
            for place, each in enumerate(oldest)
            if place < beyond or now - each.ended_at >= ENDED_SHOWN
        ]
    )


def ended_instances(tx: Transaction) -> list[EndedInstance]:
    """In the order in which they ended."""
    return tx.ended_instances.select(order_by="ended_at")
