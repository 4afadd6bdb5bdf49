"""Dates as people write them, and the moment they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsync.protocol import dates


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        # ISO, in its dialects
        ("2025-11-07T14:30:00Z", "2025-11-07T14:30:00Z"),
        ("2025-11-07T14:30Z", "2025-11-07T14:30:00Z"),
        ("2025-11-07T14:30:05.123456Z", "2025-11-07T14:30:05Z"),
        ("2025-11-07T14:30:00+00:00", "2025-11-07T14:30:00Z"),
        ("2025-11-07T14:30:00.5-07:00", "2025-11-07T21:30:00Z"),
        ("2025-11-07T14:30-0700", "2025-11-07T21:30:00Z"),
        ("2025-11-07 14:30:00 +0530", "2025-11-07T09:00:00Z"),
        ("2025-11-07 14:30:00Z", "2025-11-07T14:30:00Z"),
        ("20251107T143000Z", "2025-11-07T14:30:00Z"),
        ("2025/11/07 14:30 UTC", "2025-11-07T14:30:00Z"),
        ("2025-11-07 14:30 UTC", "2025-11-07T14:30:00Z"),
        ("2025-11-07, 14:30 (UTC)", "2025-11-07T14:30:00Z"),
        ("2025-11-07 - 14:30 UTC", "2025-11-07T14:30:00Z"),
        ("2025-11-07 | 14:30 UTC", "2025-11-07T14:30:00Z"),
        ("2025-11-07 @ 14:30 utc", "2025-11-07T14:30:00Z"),
        ("2025-11-07 at 14:30 GMT", "2025-11-07T14:30:00Z"),
        ("2025-11-07 ~14:30 UTC", "2025-11-07T14:30:00Z"),
        ("2025-11-07 (14:30 UTC)", "2025-11-07T14:30:00Z"),
        ("2025-11-07 14:30 UTC+2", "2025-11-07T12:30:00Z"),
        ("2025-11-07 14:30 GMT-05:30", "2025-11-07T20:00:00Z"),
        # clocks of twelve hours, also those that count on after noon
        ("2025-07-04 12:25 PM PST", "2025-07-04T20:25:00Z"),
        ("2025-07-04 12:25 AM PDT", "2025-07-04T07:25:00Z"),
        ("2025-07-04 2:05 pm EDT", "2025-07-04T18:05:00Z"),
        ("2025-07-04 2:05pm EDT", "2025-07-04T18:05:00Z"),
        ("2025-07-04 2 PM CST", "2025-07-04T20:00:00Z"),
        ("July 04, 2025, 22:53 PM PDT", "2025-07-05T05:53:00Z"),
        ("July 04, 2025, 00:21 AM PDT", "2025-07-04T07:21:00Z"),
        ("2025-07-04 9:05 a.m. MST", "2025-07-04T16:05:00Z"),
        # months in words
        ("July 4, 2025 13:15 UTC", "2025-07-04T13:15:00Z"),
        ("Jul 4th, 2025 at 1:15 PM UTC", "2025-07-04T13:15:00Z"),
        ("4 July 2025 13:15 UTC", "2025-07-04T13:15:00Z"),
        ("4th of July 2025, 13:15 UTC", "2025-07-04T13:15:00Z"),
        ("Friday, July 4, 2025 - 13:15 UTC", "2025-07-04T13:15:00Z"),
        ("Sept. 4, 2025 13:15 UTC", "2025-09-04T13:15:00Z"),
        ("16:03 UTC (July 4, 2025)", "2025-07-04T16:03:00Z"),
        ("16:03 UTC, July 4, 2025", "2025-07-04T16:03:00Z"),
        ("16:03 UTC on 2025-07-04", "2025-07-04T16:03:00Z"),
        ("31/12/2025 23:59 UTC", "2025-12-31T23:59:00Z"),
        # zones that change with the season go by the day
        ("2025-07-04 08:30 AM MT", "2025-07-04T14:30:00Z"),
        ("2025-11-03 08:30 AM MT", "2025-11-03T15:30:00Z"),
        ("2025-03-09 08:30 ET", "2025-03-09T12:30:00Z"),
        ("2025-03-08 08:30 ET", "2025-03-08T13:30:00Z"),
        ("2025-07-04 08:30 Pacific Time", "2025-07-04T15:30:00Z"),
        ("2025-07-04 16:15 CDT by somebody", "2025-07-04T21:15:00Z"),
    ],
)
def test_a_zone_or_an_offset_gives_utc(written: str, moment: str) -> None:
    assert dates.to_utc(written) == moment


@pytest.mark.parametrize(
    "written",
    [
        "2025-11-07",
        "2025-11-07 14:30",
        "2025-11-07 15:57 PM",
        "2025-11-07T06:58:42.044842",
        "November 7, 2025 - 5:21 AM",
        "2025-11-07 Current session",
        "Current session",
        "Real-time",
        "17:04 UTC",
        "2025-02-30 10:00 UTC",
        "2025-11-07 25:00 UTC",
        "2025-11-07 10:75 UTC",
        "2025-11-07 15:57 AM UTC",
        "2025-11-07 00:10 PM UTC",
        "2025-11-07 19:00-19:35 UTC",
        "2025-11-07 (19:00-19:35 UTC)",
        "2025-11-07 19:00 UTC - 19:35 UTC",
        "11/07/2025 14:30 UTC",
        "YYYY-MM-DD HH:MM UTC",
        "version 2025.1 of 14:30 UTC",
        "2025-11-07 14:30 XYZ",
        "",
    ],
)
def test_nothing_is_guessed(written: str) -> None:
    assert dates.to_utc(written) is None


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("[2025-11-15 00:00 UTC] C2 is back", "2025-11-15 00:00 UTC"),
        ("2025-10-29 09:25:59 CDT — done", "2025-10-29 09:25:59 CDT"),
        ("Report - 2025-11-07 14:30:00", "2025-11-07 14:30:00"),
        ("Report (2025-11-07 14:30 UTC)", "2025-11-07 14:30 UTC"),
        ("2025-11-07 14:30 - C2 - DONE", "2025-11-07 14:30"),
        ("2025-11-07 14:30 DONE", "2025-11-07 14:30"),
        ("16:03 UTC (July 4, 2025) and more", "16:03 UTC (July 4, 2025)"),
        ("seen November 7, 2025, 14:30 (UTC).", "November 7, 2025, 14:30 (UTC)"),
    ],
)
def test_the_span_is_what_was_written(text: str, span: str) -> None:
    stamp = dates.find(text)
    assert stamp is not None
    assert text[stamp.start : stamp.end] == span
    assert stamp.full


def test_a_span_of_times_is_no_time_of_day() -> None:
    stamp = dates.find("Session 2025-10-29 (19:00-19:35 UTC)")
    assert stamp is not None
    assert not stamp.full


@pytest.mark.parametrize(("year", "day"), [(0, 1), (1, 1), (9999, 31)])
def test_the_ends_of_the_calendar_do_not_break_it(year: int, day: int) -> None:
    for zone in ("+1400", "-1400", "UTC"):
        dates.to_utc(f"{year:04}-12-{day:02} 23:59:00 {zone}")
        dates.to_utc(f"{year:04}-01-{day:02} 00:00:00 {zone}")


@given(st.datetimes(), st.integers(min_value=-840, max_value=840))
def test_what_is_written_with_an_offset_is_read_back(moment: object, minutes: int) -> None:
    from datetime import UTC, datetime, timedelta, timezone

    assert isinstance(moment, datetime)
    zone = timezone(timedelta(minutes=minutes))
    try:
        local = moment.replace(microsecond=0, tzinfo=UTC).astimezone(zone)
    except OverflowError:
        return
    if moment.year < 1000:
        return
    expected = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert dates.to_utc(local.isoformat()) == expected


@given(st.text(alphabet="0123456789-/:., TZ+apmAPMUTCPSoctNov()[]~", max_size=60))
def test_no_text_breaks_the_reader_of_dates(text: str) -> None:
    stamp = dates.find(text)
    if stamp is not None:
        assert 0 <= stamp.start < stamp.end <= len(text)
        stamp.utc()
    dates.find_time(text)
