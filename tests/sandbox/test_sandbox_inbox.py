"""The inbox page: codes to read, links to follow, and nothing that a message's text could do to it."""

import base64
import re
from typing import Any

import pytest
from sendgrid.helpers.mail import Attachment, Disposition, FileContent, FileName, FileType

from sandbox import faults
from sandbox.inbox import linked
from tests.sandbox.sandbox_process import MAILBOX, PHONE, Receiver, RunningSandbox, mail_to, text_to


def page(sandbox: RunningSandbox, to: str = "") -> str:
    """Return the page as a browser gets it."""
    return sandbox.http.get(f"{sandbox.url}/", params={"to": to} if to else {}, timeout=5).text


def test_an_empty_inbox_says_what_to_do(sandbox: RunningSandbox) -> None:
    html = page(sandbox)

    assert "No text messages" in html
    assert "make demo" in html


def test_a_code_can_be_read(sandbox: RunningSandbox, twilio: Any, receiver: Receiver) -> None:
    text_to(twilio, receiver, "code", body="認証コード 482913\n@example.jp #482913")

    assert page(sandbox).count('<strong class="code">482913</strong>') == 2


def test_the_newest_message_stands_first(sandbox: RunningSandbox, twilio: Any, receiver: Receiver) -> None:
    for word in ("older", "newer"):
        text_to(twilio, receiver, word, body=f"the {word} one")

    html = page(sandbox)

    assert html.index("the newer one") < html.index("the older one")


def test_only_one_recipients_messages_are_shown_on_request(
    sandbox: RunningSandbox, twilio: Any, sendgrid: Any, receiver: Receiver
) -> None:
    text_to(twilio, receiver, "a1", body="for the phone")
    sendgrid.send(mail_to("a2", plain_text_content="for the mailbox"))

    html = page(sandbox, to=MAILBOX)

    assert "for the mailbox" in html
    assert "for the phone" not in html
    assert f'value="{PHONE}"' in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        pytest.param(
            "入室: https://example.jp/c/1。",
            '入室: <a href="https://example.jp/c/1" target="_blank" rel="noopener noreferrer">https://example.jp/c/1</a>。',
            id="a link ends where Japanese text goes on",
        ),
        pytest.param("javascript:alert(1)", "javascript:alert(1)", id="only http and https are links"),
        pytest.param("<script>", "&lt;script&gt;", id="markup is text"),
        pytest.param(
            'https://example.jp/"onclick="x',
            '<a href="https://example.jp/" target="_blank" rel="noopener noreferrer">https://example.jp/</a>'
            "&#34;onclick=&#34;x",
            id="a quote ends a link",
        ),
        pytest.param(
            "(https://example.jp/?a=1&b=2)",
            '(<a href="https://example.jp/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">'
            "https://example.jp/?a=1&amp;b=2</a>)",
            id="a bracket after a link is not the link's",
        ),
        pytest.param("1234567", "1234567", id="seven digits are no code"),
    ],
)
def test_a_text_is_shown_as_it_is(text: str, html: str) -> None:
    assert str(linked(text)) == html


def test_a_mails_html_is_shut_in_a_frame_without_scripts(sandbox: RunningSandbox, sendgrid: Any) -> None:
    sendgrid.send(mail_to("html", html_content='<script>parent.alert("1")</script>'))

    html = page(sandbox)

    frame = re.search(r"<iframe[^>]*>", html)
    assert frame
    assert "allow-scripts" not in frame[0]
    assert "allow-same-origin" not in frame[0]
    assert "&lt;script&gt;parent.alert(&#34;1&#34;)" in frame[0]


def test_the_page_runs_its_own_script_only(sandbox: RunningSandbox) -> None:
    answer = sandbox.http.get(f"{sandbox.url}/", timeout=5)

    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
    assert nonce
    assert f'<script nonce="{nonce[1]}">' in answer.text
    assert "default-src 'none'" in policy


def test_a_calendar_entry_can_be_downloaded(sandbox: RunningSandbox, sendgrid: Any) -> None:
    calendar = b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"
    mail = mail_to("invitation")
    mail.add_attachment(
        Attachment(
            FileContent(base64.b64encode(calendar).decode()),
            FileName("予約.ics"),
            FileType("text/calendar; method=REQUEST"),
            Disposition("attachment"),
        )
    )
    sendgrid.send(mail)

    path = re.search(r'href="(/_sent/\d+/attachments/0)"', page(sandbox))

    assert path
    answer = sandbox.http.get(sandbox.url + path[1], timeout=5)
    assert answer.content == calendar
    assert answer.headers["Content-Type"].startswith("text/calendar; method=REQUEST")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%E4%BA%88%E7%B4%84.ics"


def test_every_magic_recipient_stands_on_the_page(sandbox: RunningSandbox) -> None:
    html = page(sandbox)

    for kind in faults.KINDS:
        assert not kind.phone or f"+81 90-0000-{kind.phone}" in html
        assert kind.address in html


def test_a_redirect_that_was_followed_finds_a_page(sandbox: RunningSandbox) -> None:
    assert sandbox.http.get(f"{sandbox.url}/_elsewhere", timeout=5).status_code == 200
