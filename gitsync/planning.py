"""Decide what a sync cycle does, from a few facts about three commits; pure.

The cases, by number (the same numbers stand in the engine and in the test ids):

    0 NOTHING     the remote has no branch and we have nothing to say
    1 UNBORN      the remote has no branch, we have work: create it, expecting nothing
    2 LEVEL       the remote is where we knew it, we have no work
    3 AHEAD       the remote is where we knew it, we have work: build on it and push
    4 BEHIND      the remote went on, we have no work: take it
    5 DIVERGED    the remote went on, we have work: build on the new tip and push
    6 REWRITTEN   what we knew is no longer in the remote's history: halt, or go on when told to
    7 UNRELATED   the two histories share nothing: refuse, or go on when told to
    8 GONE        the branch was there and is not any more: ask, or create it again when told to

"Work" is anything that would become a commit: operations, hand edits, a person's commits, wraps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Case(IntEnum):
    """Number the cases of a plan."""

    NOTHING = 0
    UNBORN = 1
    LEVEL = 2
    AHEAD = 3
    BEHIND = 4
    DIVERGED = 5
    REWRITTEN = 6
    UNRELATED = 7
    GONE = 8


@dataclass(frozen=True, kw_only=True)
class View:
    """Hold what is known before a plan is made; commits by id."""

    known: str | None
    """The tip that the remote had when we last saw it; without a record of it, the local branch."""
    remote: str | None
    """The tip that the remote has now."""
    work: bool
    """Whether there is anything to push."""
    contained: bool = False
    """Whether `known` is an ancestor of `remote` (or the same)."""
    reversed: bool = False
    """Whether `remote` is an ancestor of `known`."""
    related: bool = True
    """Whether `known` and `remote` have any commit in common."""
    recorded: bool = True
    """Whether `known` was really seen on the remote (else it is only our local branch)."""
    accept_rewrite: bool = False
    """Whether a person said that a rewritten, unrelated or missing branch is to be taken as it is."""


@dataclass(frozen=True)
class Plan:
    """Say which case it is, on which commit to build, and whether to stop or to keep the old tip."""

    case: Case
    base: str | None
    push: bool = False
    take: bool = False
    """Whether `base` is a tip that we have not seen before."""
    halt: bool = False
    rescue: bool = False
    """Whether the tip we knew must be kept under a rescue ref, since the remote no longer holds it."""


def plan(view: View) -> Plan:
    """Choose the case; total: every view has a plan."""
    known, remote, work = view.known, view.remote, view.work
    if remote is None:
        if known is None or not view.recorded:
            return Plan(Case.UNBORN if work else Case.NOTHING, known, push=work)
        if not view.accept_rewrite:
            return Plan(Case.GONE, known, halt=True)
        return Plan(Case.GONE, known, push=True)
    if known == remote:
        return Plan(Case.AHEAD if work else Case.LEVEL, remote, push=work)
    if known is None or view.contained or (not view.recorded and view.related):
        # A local branch that was never recorded as pushed may stand ahead of the remote or beside it:
        # what it has of its own is a person's commits, and those are work.
        return Plan(Case.DIVERGED if work else Case.BEHIND, remote, push=work, take=True)
    case = Case.REWRITTEN if view.related or view.reversed else Case.UNRELATED
    if not view.accept_rewrite:
        return Plan(case, remote, halt=True)
    return Plan(case, remote, push=work, take=True, rescue=True)
