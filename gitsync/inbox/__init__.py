"""What arrived: reading the branch into the ledger, what waits for dispatch, what people see, what they decide."""

from gitsync.inbox.follow import Ingest, ingest
from gitsync.inbox.settle import ack, release, take
from gitsync.inbox.views import fleet_view, inbox_view, messages_view, search_view, show_view, thread_view
from gitsync.inbox.waiting import Envelope, candidates, lost, waiting

__all__ = [
    "Envelope",
    "Ingest",
    "ack",
    "candidates",
    "fleet_view",
    "inbox_view",
    "ingest",
    "lost",
    "messages_view",
    "release",
    "search_view",
    "show_view",
    "take",
    "thread_view",
    "waiting",
]
