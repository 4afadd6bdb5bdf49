"""Open the stores of a machine as its settings want them used; nobody who writes to them may forget a part of that."""

from __future__ import annotations

from gitsync.agents.environment import process_environment
from gitsync.config.settings import Settings
from gitsync.ledger.faults import FaultPoint, nothing
from gitsync.ledger.journal import Journal
from gitsync.ledger.ledger import Ledger
from gitsync.secrets.redact import know
from gitsync.signing.signer import Signer
from gitsync.signing.store import KeyStore


def open_keys(settings: Settings) -> KeyStore:
    """Open the keys: this machine's own, and whose count here."""
    return KeyStore(settings.keys_dir, settings.machine.id)


def open_journal(settings: Settings, signer: Signer, *, fault: FaultPoint = nothing) -> Journal:
    """Open the journal so that what is queued is looked through for secrets and signed."""
    know_own(settings)
    journal = Journal(settings.journal_file, fault=fault)
    journal.secrets = settings.secrets
    journal.signer = signer
    return journal


def know_own(settings: Settings) -> None:
    """Let the scan know this machine's token and the keys of its agents, as far as this process has them."""
    try:
        know("token", settings.token_file.read_text().strip())
    except (OSError, ValueError):
        know("token", None)
    for spec in settings.agents:
        know(f"key of {spec.name}", process_environment().get(spec.api_key_env))


def open_ledger(settings: Settings, *, fault: FaultPoint = nothing) -> Ledger:
    """Open the ledger so that who shows what is in it says whose word counts."""
    ledger = Ledger(settings.ledger_file, fault=fault)
    ledger.rules = settings.verification
    return ledger
