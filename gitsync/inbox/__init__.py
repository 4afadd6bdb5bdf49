"""What arrived: reading the branch into the ledger, what waits for dispatch, what people see, what they decide."""

from gitsync.inbox.approvals import approvals_view
from gitsync.inbox.fleet import fleet_view
from gitsync.inbox.follow import Ingest, ingest
from gitsync.inbox.settle import ack, claimed_elsewhere, release, take
from gitsync.inbox.states import UNREAD
from gitsync.inbox.views import (
    doubts_about,
    inbox_view,
    messages_view,
    search_view,
    show_view,
    thread_view,
    undecided,
)
from gitsync.inbox.waiting import Envelope, candidates, lost, waiting

__all__ = [
    "UNREAD",
    "Envelope",
    "Ingest",
    "ack",
    "approvals_view",
    "candidates",
    "claimed_elsewhere",
    "doubts_about",
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
    "undecided",
    "waiting",
]
