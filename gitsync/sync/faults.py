"""Named places in the cycle where a test may break the process or look at the world (row 2)."""

from __future__ import annotations

from gitsync.ledger.faults import FaultPoint, Point, nothing

__all__ = ["POINTS", "TABLE", "FaultPoint", "nothing"]

TABLE = (
    Point(1, "0-locks", "locks that nobody holds are removed, and nothing of a former crash is settled"),
    Point(2, "0-settled", "what one interrupted placement left is settled, and its row is still in the journal"),
    Point(3, "0-recovered", "all that a former crash left is settled"),
    Point(101, "1-captured", "queue, folder and local branch are looked at, and nothing was asked"),
    Point(201, "2-asking", "the remote is about to be asked"),
    Point(202, "2-fetched", "the objects are here, and nothing is known of them"),
    Point(301, "3-settled", "the fate of former pushes is written"),
    Point(302, "3-planned", "the new tip is known, and neither the ledger has read it nor the journal has it"),
    Point(303, "3-told", "the ledger has read the tip, and neither the journal nor the folder has it"),
    Point(401, "4-judged", "hand edits are judged, and nothing is built"),
    Point(402, "4-built", "the commits are on their way to the disk, and nothing names them"),
    Point(403, "4-noted", "what the commit holds of the folder is noted, and the attempt is not"),
    Point(501, "5-attempted", "the attempt is in the journal, and its objects may not be on the disk"),
    Point(502, "5-kept", "a ref keeps the new commit, all of it is on the disk, and nothing was pushed"),
    Point(503, "5-pushed", "the remote has answered, and nothing was made of it"),
    Point(504, "5-answered", "the push was taken, and the queue still has what it brought"),
    Point(505, "5-landing", "the queue is emptied in a transaction that is not committed"),
    Point(506, "5-settled", "the queue is emptied for good, and displaced files are still kept"),
    Point(507, "5-landed", "all of a push is done, and the folder does not have it"),
    Point(508, "5-beating", "the machine ref is about to be pushed alone"),
    Point(509, "5-beaten", "the remote has answered about the machine ref, and nothing was made of it"),
    Point(601, "6-bringing", "it is known what differs from the tip, and nothing was placed"),
    Point(602, "6-place-noted", "files to place are in the journal, and none is written"),
    Point(603, "6-place-half", "one half of a new file is written under its temporary name"),
    Point(604, "6-place-written", "a new file is on disk under its temporary name"),
    Point(605, "6-place-exchanged", "a file is placed, and what came out was not looked at"),
    Point(606, "6-place-kept", "what came out is moved to where it is kept, and the journal does not know it"),
    Point(607, "6-place-out", "what came out is judged: kept and noted, or removed"),
    Point(608, "6-placed", "all files are placed, and the journal has them as under way"),
    Point(609, "6-place-ended", "the placed files are bases, and nothing is under way"),
    Point(610, "6-index", "the index has moved, and the branch has not"),
    Point(611, "6-ref", "the local branch has moved, and the journal has the old one as placed"),
    Point(612, "6-noted", "the journal has the new tip as placed"),
    Point(613, "6-done", "the folder is what the branch says"),
)
"""Every point; the first digit is the step of the cycle."""

POINTS = tuple(point.name for point in TABLE)
