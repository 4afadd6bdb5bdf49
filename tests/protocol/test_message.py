"""A message and its bytes: exact both ways, whatever it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitsync.protocol.blocks import Block, FenceState, fence_marker, parse
from gitsync.protocol.message import Message, read, write

ID = "01JD3WQ8Z6T4K9V2M5N7P0R3S8"
OTHER = "01JD3W0000000000000000000A"

EXAMPLE = """\
<!-- msg 01JD3WQ8Z6T4K9V2M5N7P0R3S8 -->
## Deploy the landing page

- **From:** 1/mechanic
- **To:** 2/builder
- **Date:** 2026-11-20T06:45:00Z
- **Priority:** high
- **Type:** deployment
- **Thread:** 01JD3WQ8Z6T4K9V2M5N7P0R3S8
- **In-Reply-To:** 01JD3W0000000000000000000A

The body, any Markdown.
<!-- /msg -->
"""

PLAIN = Message(id=ID, sender="1", to=("2",), subject="Hi", body="x", date="2026-11-20T06:45:00Z")

pieces = st.sampled_from(
    [
        "```",
        "~~~",
        "````",
        "``` sh",
        "\\```",
        "\\\\~~~",
        "  ```",
        "\t\\```",
        f"<!-- msg {OTHER} -->",
        "<!-- /msg -->",
        "\\<!-- /msg -->",
        "<!--msg",
        "<!-- /MSG sig -->",
        "## Heading",
        "- **From:** 9",
        "\n",
        "\n",
        "\n",
        "\r",
        "\0",
        " ",
        "text",
        "\udcff",
        "\u2028",
        "#",
        " ##",
        "\\#",
    ]
)
texts = st.one_of(st.text(), st.lists(pieces).map("".join))


@given(texts, texts)
@example("", "")
@example("\n", "#")
@example("\udcc3\udca9", " a #\\##")
@example("```\n~~~\n```", "##")
def test_reading_gives_what_was_written(body, subject):
    message = replace(PLAIN, subject=subject, body=body)
    data = write(message)
    assert read(data) == message
    assert message.body.encode("utf-8", "surrogateescape") == body.encode("utf-8", "surrogateescape")
    segments = parse(data)
    assert [type(segment) for segment in segments] == [Block]
    assert segments[0].id == ID
    assert segments[0].closed


@given(st.lists(texts, min_size=2, max_size=4))
def test_every_message_of_a_file_is_readable(bodies):
    messages = [replace(PLAIN, id=ID[:-1] + str(number), body=body) for number, body in enumerate(bodies)]
    data = b"\n".join(write(message) for message in messages)
    assert [read(s.raw) for s in parse(data) if isinstance(s, Block)] == messages


@given(texts)
def test_no_fence_stays_open(body):
    fence = FenceState()
    for line in write(replace(PLAIN, body=body)).split(b"\n"):
        if found := fence_marker(line):
            fence.feed(*found)
    assert not fence.marker


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True).filter(lambda name: name not in ("all", "any", "self"))
agents = st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True)
places = st.one_of(names, st.builds("{}/{}".format, names, agents))
one_line = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)


@given(
    st.builds(
        Message,
        id=st.sampled_from([ID, OTHER, ID.lower(), ID + "~12ab34cd"]),
        sender=places,
        to=st.lists(st.one_of(places, st.sampled_from(["all", "ANY"])), min_size=1, max_size=3).map(tuple),
        subject=one_line,
        body=st.text(max_size=20),
        date=st.just("2026-11-20T06:45:00Z"),
        priority=st.sampled_from(["low", "normal", "high", "urgent"]),
        type=one_line,
        thread=st.sampled_from([None, ID]),
        in_reply_to=st.sampled_from([None, OTHER]),
        fields=st.lists(st.tuples(st.sampled_from(["Auto", "X-Trace", "Due date"]), one_line), max_size=3).map(tuple),
    )
)
def test_every_field_is_kept(message):
    assert read(write(message)) == message


def test_the_example_of_the_protocol():
    message = read(EXAMPLE.encode())
    assert message == Message(
        id=ID,
        sender="1/mechanic",
        to=("2/builder",),
        subject="Deploy the landing page",
        body="The body, any Markdown.",
        date="2026-11-20T06:45:00Z",
        priority="high",
        type="deployment",
        thread=ID,
        in_reply_to=OTHER,
    )
    assert write(message).decode() == EXAMPLE


@pytest.mark.parametrize(
    ("body", "written"),
    [
        ("<!-- /msg -->", "\\<!-- /msg -->"),
        ("\\<!-- /msg -->", "\\\\<!-- /msg -->"),
        ("```\nopen", "\\```\nopen"),
        ("```\nclosed\n```", "```\nclosed\n```"),
        ("  ~~~ sh\nx\n```\ny\n```", "  \\~~~ sh\nx\n```\ny\n```"),
        ("a \\``` b", "a \\``` b"),
    ],
)
def test_escapes(body, written):
    assert f"\n\n{written}\n<!-- /msg -->\n" in write(replace(PLAIN, body=body)).decode()


@pytest.mark.parametrize(
    "changed",
    [
        EXAMPLE.replace("-->\n", "-->\r\n"),
        EXAMPLE.replace("\n", "\r\n"),
        EXAMPLE.replace("high", "URGENT!"),
        EXAMPLE.replace("- **From:** 1/mechanic\n", ""),
        EXAMPLE.replace("**Type:**", "**type:**"),
        EXAMPLE.replace("- **From:** 1/mechanic\n- **To:** 2/builder", "- **To:** 2/builder\n- **From:** 1/mechanic"),
        EXAMPLE.replace("## Deploy", "### Deploy"),
        EXAMPLE.replace("<!-- /msg -->\n", ""),
        EXAMPLE + "\n",
        EXAMPLE + EXAMPLE,
        EXAMPLE.replace("06:45:00Z", "25:45:00Z"),
        "",
        "text",
    ],
)
def test_what_a_person_changed_is_left_to_the_tolerant_reader(changed):
    with pytest.raises(ValueError):
        read(changed.encode())


@pytest.mark.parametrize(
    "change",
    [
        {"id": "nonsense"},
        {"sender": "ALL"},
        {"sender": "no body"},
        {"to": ()},
        {"to": "2"},
        {"to": ("2, 3",)},
        {"date": "yesterday"},
        {"priority": "HIGH"},
        {"type": "two\nlines"},
        {"thread": "x"},
        {"fields": (("From", "9"),)},
        {"fields": (("Auto", "a\nb"),)},
        {"fields": (("A:*", "x"),)},
        {"body": "\ud800"},
    ],
)
def test_what_cannot_be_written_is_refused(change):
    with pytest.raises(ValueError):
        replace(PLAIN, **change)


def test_construction_normalises():
    message = replace(PLAIN, id=ID.lower(), sender="Laptop", to=("all", "2/Builder"), subject=" two\nlines ")
    assert message.id == ID
    assert message.sender == "laptop"
    assert message.to == ("ALL", "2/Builder")
    assert message.subject == "two lines"


def test_a_large_hostile_body_is_written_in_linear_time():
    body = "~~~ never closed\n" * 30_000
    assert read(write(replace(PLAIN, body=body))).body == body
