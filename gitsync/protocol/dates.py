"""Find the date and time that a person wrote, and say when that was in UTC where it can be known.

What has a zone or an offset becomes UTC, as written: `PST` is eight hours behind also in summer, because the
writer said so. `PT`, `MT`, `CT`, `ET` name no offset and follow the rule of the United States for the day.
Nothing is guessed: no zone, a contradiction (`15:57 AM`) or an impossible day give no UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

LONGEST = 400
"""Characters of a line that are looked at: a date further on is prose."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = re.compile(
    r"(?<![\d.])(?:"
    r"(?P<y1>\d{4})(?P<sep>[-/.])(?P<m1>\d{1,2})(?P=sep)(?P<d1>\d{1,2})(?!\d)"
    rf"|(?<![a-z])(?P<m2>{_MONTH})\.?[ ]{{1,3}}(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,?[ ]{{1,3}}(?P<y2>\d{{4}})(?!\d)"
    rf"|(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?[ -](?:of[ ])?(?P<m3>{_MONTH})\.?,?[ -](?P<y3>\d{{4}})(?!\d)"
    r"|(?P<a4>\d{1,2})(?P<sep4>[/.])(?P<b4>\d{1,2})(?P=sep4)(?P<y4>\d{4})(?!\d)"
    r"|(?P<y5>\d{4})(?P<m5>\d\d)(?P<d5>\d\d)(?=[T_-]\d{4})"
    r")",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d:.])(?:(?P<h>\d{1,2}):(?P<mi>\d\d)(?::(?P<s>\d\d)(?:[.,]\d{1,9})?)?(?![\d:])"
    r"(?:\s{0,3}(?P<half>[ap])\.?m\b\.?)?"
    r"|(?P<h2>\d{1,2})\s?(?P<half2>[ap])\.?m\b\.?"
    r"|(?P<h3>\d\d)(?P<mi3>\d\d)(?P<s3>\d\d)?(?=Z))",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"[T_-](?P<h>\d\d)(?P<mi>\d\d)(?P<s>\d\d)?(?P<z>Z)?(?![\d])")
_BETWEEN = re.compile(r"[\s,;T~≈@|()\[\]\-–—•·:]{0,8}(?:(?:at|around|about|approx\.?|ca\.?|on)\s{1,2})?[~≈(\[]{0,2}")
_OFFSET = re.compile(r"\s?(?P<sign>[+\-−])(?P<oh>\d{2}):?(?P<om>\d{2})(?![\d:])")
_ZONE = re.compile(
    r"[\s(\[]{0,3}(?:"
    r"(?P<utc>(?i:utc|gmt))(?:\s?(?P<sign>[+\-−])(?P<oh>\d{1,2})(?::?(?P<om>\d{2}))?)?(?![\w])"
    r"|(?P<z>[Zz])(?![\w])"
    r"|(?:America|US)/(?P<city>Los_Angeles|Denver|Chicago|New_York|Pacific|Mountain|Central|Eastern)(?!\w)"
    r"|(?P<name>[A-Z]{2,5})(?![\w/])"
    r"|(?P<long>(?i:pacific|mountain|central|eastern))(?:\s(?P<kind>(?i:standard|daylight)))?(?:\s(?i:time))?(?!\w)"
    r")"
)
_RANGE = re.compile(r"\s{0,2}(?:[-–—]|to)\s{0,2}\d{1,2}:\d\d")

_HOURS = {
    "PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CST": -6, "CDT": -5, "EST": -5, "EDT": -4,
    "AKST": -9, "AKDT": -8, "HST": -10, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2,
    "EEST": 3, "MSK": 3, "SGT": 8, "HKT": 8, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
_SEASONAL = {"PT": -8, "MT": -7, "CT": -6, "ET": -5}
_LONG = {
    "pacific": "P", "mountain": "M", "central": "C", "eastern": "E",
    "los_angeles": "P", "denver": "M", "chicago": "C", "new_york": "E",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date as found in a text: its span there, and as much of day, time and zone as was written.

    `time` is (hour, minute, second) on the 24 hour clock; `offset` is minutes east of UTC; `clear` is false where the
    writing contradicts itself.
    """

    start: int
    end: int
    day: date | None
    time: tuple[int, int, int] | None
    offset: int | None
    clear: bool = True

    @property
    def full(self) -> bool:
        """Tell whether this is a day and a time of day."""
        return self.day is not None and self.time is not None

    def utc(self) -> str | None:
        """Give `YYYY-MM-DDTHH:MM:SSZ`, or None where day, time or zone is missing or wrong."""
        if self.day is None or self.time is None or self.offset is None or not self.clear:
            return None
        hour, minute, second = self.time
        try:
            local = datetime(self.day.year, self.day.month, self.day.day, hour, minute, min(second, 59), tzinfo=UTC)
            moment = local - timedelta(minutes=self.offset)
        except (ValueError, OverflowError):
            return None
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment.year >= 1000 else None


def find(text: str) -> Stamp | None:
    """Find the first date in a text, with the time of day that stands beside it.

    A span of times (`19:00-19:35`) is not a time of day.
    """
    text = text[:LONGEST]
    for match in _DAY.finditer(text):
        day = _day(match)
        if day is not None:
            stamp = _around(text, match, day)
            return replace(stamp, clear=False) if _either_way(match) else stamp
    return None


def find_time(text: str) -> Stamp | None:
    """Find a time of day that stands at the start of a text, without a date."""
    match = _TIME.match(text[:LONGEST])
    return None if match is None else _with_time(text[:LONGEST], match, None, match.start(), match.end())


def to_utc(text: str) -> str | None:
    """Give the moment that a date field names, in UTC, or None where it names none."""
    stamp = find(text)
    return None if stamp is None else stamp.utc()


def has_time(text: str) -> bool:
    """Tell whether a text contains a time of day."""
    return _TIME.search(text[:LONGEST]) is not None


def _around(text: str, match: re.Match[str], day: date) -> Stamp:
    start, end = match.span()
    if match["y5"]:
        compact = _COMPACT.match(text, end)
        if compact is not None:
            time = (int(compact["h"]), int(compact["mi"]), int(compact["s"] or 0))
            sane = time[0] < 24 and time[1] < 60 and time[2] < 61
            offset = 0 if compact["z"] else None
            return Stamp(start, compact.end(), day, time if sane else None, offset, sane)
    gap = _BETWEEN.match(text, end)
    after = _TIME.match(text, gap.end()) if gap else None
    if after is not None:
        return _with_time(text, after, day, start, after.end())
    # The time may stand first: `16:03 UTC (November 7, 2025)`.
    for before in _TIME.finditer(text, 0, start):
        stamp = _with_time(text, before, day, before.start(), before.end())
        between = _BETWEEN.fullmatch(text, stamp.end, start)
        if between is not None and stamp.time is not None:
            close = 1 if text[end : end + 1] in (")", "]") and text[start - 1 : start] in ("(", "[") else 0
            return Stamp(before.start(), end + close, day, stamp.time, stamp.offset, stamp.clear)
    return Stamp(start, end, day, None, None)


def _with_time(text: str, match: re.Match[str], day: date | None, start: int, end: int) -> Stamp:
    if match["h2"]:
        hour, minute, second, half = int(match["h2"]), 0, 0, match["half2"]
    elif match["h3"]:
        hour, minute, second, half = int(match["h3"]), int(match["mi3"]), int(match["s3"] or 0), None
    else:
        hour, minute, second, half = int(match["h"]), int(match["mi"]), int(match["s"] or 0), match["half"]
    offset, end, spans = _offset(text, match, end, day)
    if spans or minute > 59 or hour > 23 or second > 60:
        return Stamp(start, end, day, None, None, False)
    clear = True
    if half is not None:
        if half in "pP" and hour < 12:
            clear = hour > 0
            hour += 12
        elif half in "aA" and hour == 12:
            hour = 0
        elif half in "aA" and hour > 12:
            clear = False
    return Stamp(start, end, day, (hour, minute, second), offset, clear)


def _offset(text: str, match: re.Match[str], end: int, day: date | None) -> tuple[int | None, int, bool]:
    """Read the zone after a time: (minutes east or None, where it ends, whether a span of times stands here)."""
    number = _OFFSET.match(text, end)
    after_t = text[match.start() - 1 : match.start()] == "T"
    glued = number is not None and (number["sign"] == "+" or match["s"] is not None or after_t)
    if not glued and _RANGE.match(text, end):
        return None, end, True
    if number is not None and glued:
        minutes = int(number["oh"]) * 60 + int(number["om"])
        if minutes <= 14 * 60:
            return (minutes if number["sign"] == "+" else -minutes), number.end(), False
    zone = _ZONE.match(text, end)
    if zone is None:
        return None, end, False
    if zone["z"]:
        return 0, zone.end(), False
    if zone["utc"]:
        minutes = int(zone["oh"] or 0) * 60 + int(zone["om"] or 0)
        known = minutes <= 14 * 60
        found = (minutes if zone["sign"] == "+" else -minutes) if known else None
    else:
        name = zone["name"] or _name(zone["long"] or zone["city"], zone["kind"])
        found = _hours(name, day)
        if found is None:
            return None, end, False
    stop = zone.end()
    if text[end:stop].lstrip()[:1] in ("(", "[") and text[stop : stop + 1] in (")", "]"):
        stop += 1
    if _RANGE.match(text, stop):
        return None, end, True
    return found, stop, False


def _name(long: str, kind: str | None) -> str:
    return _LONG[long.lower()] + {"standard": "ST", "daylight": "DT"}.get((kind or "").lower(), "T")


def _hours(name: str, day: date | None) -> int | None:
    if name in _HOURS:
        return _HOURS[name] * 60
    if name in _SEASONAL and day is not None:
        return (_SEASONAL[name] + (1 if _summer(day) else 0)) * 60
    return None


def _summer(day: date) -> bool:
    """Tell whether the United States keep daylight time on this day (second Sunday of March, first of November)."""
    march = date(day.year, 3, 1)
    november = date(day.year, 11, 1)
    begin = march + timedelta(days=(6 - march.weekday()) % 7 + 7)
    end = november + timedelta(days=(6 - november.weekday()) % 7)
    return begin <= day < end


def _either_way(match: re.Match[str]) -> bool:
    """Tell whether day and month may be read either way round: 11/07/2025 is July or November, nobody can know."""
    return bool(match["y4"]) and int(match["a4"]) <= 12 and int(match["b4"]) <= 12 and match["a4"] != match["b4"]


def _day(match: re.Match[str]) -> date | None:
    if match["y1"]:
        year, month, day = int(match["y1"]), int(match["m1"]), int(match["d1"])
    elif match["m2"]:
        year, month, day = int(match["y2"]), _MONTHS.index(match["m2"][:3].lower()) + 1, int(match["d2"])
    elif match["m3"]:
        year, month, day = int(match["y3"]), _MONTHS.index(match["m3"][:3].lower()) + 1, int(match["d3"])
    elif match["y4"]:
        year, first, second = int(match["y4"]), int(match["a4"]), int(match["b4"])
        month, day = (second, first) if first > 12 else (first, second)
    else:
        year, month, day = int(match["y5"]), int(match["m5"]), int(match["d5"])
    try:
        return date(year, month, day)
    except ValueError:
        return None
