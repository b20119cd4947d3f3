"""Bytes over HTTP into a partial file, in as many requests as it takes.

A cut connection or a busy server is asked again, with growing pauses, for the bytes that are still missing
(Range, with If-Range so that a file that changed meanwhile starts again: RFC 9110, sections 13.1.5 and 14). What
another try would bring again is an error at once: a refusal, a certificate that is not trusted, another file.
"""

import random
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from .cleaning import public
from .errors import NotFoundError, ReszooError, UnavailableError
from .imposters import refuse_announced
from .partial import Origin, PartialFile, to_disk
from .progress import Count

if TYPE_CHECKING:
    import httpx

TRIES = 5  # in a row that bring nothing new
BACKOFF_S = 0.5  # doubled with each of them
LONGEST_WAIT_S = 60.0  # however long the server asks us to stay away
TIMEOUT_S = 30.0  # without a byte
HEADERS_S = 60.0  # until the headers of an answer are there, of which each byte renews that
WINDOW_S = 30.0  # in which so many bytes have to come, or the connection is taken for one that never ends
WINDOW_BYTES = 32 << 10
NUMBER = re.compile("[0-9]{1,18}")  # of bytes
PROXY_FIX = "Mend HTTP_PROXY and HTTPS_PROXY: a proxy that wants a login is http://NAME:PASSWORD@HOST:PORT."
LOGIN_FIX = (
    "It needs a login, or is not there: download it where you are signed in, and import that file, "
    "or name a mirror that has it with RESZOO_MIRROR."
)
FIXES = {
    401: LOGIN_FIX,
    403: LOGIN_FIX,
    407: PROXY_FIX,
    511: "The network wants you to sign in first: open any web page in a browser.",
}
HOPELESS = (501, 505, 511)  # of the server's own errors: it cannot at all, or somebody has to sign in


class _RetryableError(Exception):
    """A failure that another try may mend, after `wait_s` seconds if the server said so."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _SlowError(_RetryableError):
    """The bytes come so slowly that those that came are no progress."""


def download(url: str, part: PartialFile, report: Count, token: str = "") -> str | None:
    """Bring what is missing of `part`; gives the whole file's sha256 if the server states it.

    The token is for the host of `url` alone: it does not follow a redirect to another one.
    """
    import httpx

    most, fruitless = part.size(), 0
    with _client(token) as client:
        watch = _Watch(client)
        while True:
            try:
                return _request(client, url, part, report)
            except _RetryableError as error:
                reason, wait_s, is_slow = str(error), error.wait_s, isinstance(error, _SlowError)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                reason, wait_s, is_slow = watch.reason() or _reason(error), None, False
                if fix := _fix(error):
                    raise ReszooError(f"cannot download {public(url)}: {reason}", fix) from error
            fruitless = 0 if part.size() > most and not is_slow else fruitless + 1
            most = max(most, part.size())
            if fruitless == TRIES:
                raise ReszooError(
                    f"cannot download {public(url)}: {reason} ({TRIES} tries)",
                    "Check the network and the proxy, or name a mirror with RESZOO_MIRROR; "
                    "the same command goes on where this one stopped.",
                )
            jitter = random.uniform(0.5, 1.5)  # noqa: S311
            time.sleep(BACKOFF_S * 2**fruitless * jitter if wait_s is None else wait_s)


class _Watch:
    """Ends the connection of a client where the headers of an answer do not come in time. httpx tells it each step."""

    def __init__(self, client: "httpx.Client") -> None:
        self.connection: socket.socket | None = None
        self.timer: threading.Timer | None = None
        self.has_ended = False
        client.event_hooks = {"request": [self._begin]}

    def reason(self) -> str:
        """Why the last request failed, if this ended it."""
        return f"the server did not answer in {HEADERS_S:g} s" if self.has_ended else ""

    def _begin(self, request: "httpx.Request") -> None:
        self.has_ended = False
        request.extensions["trace"] = self._heed

    def _heed(self, step: str, about: dict[str, Any]) -> None:
        if step in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self.connection = about["return_value"].get_extra_info("socket")
        elif step.endswith("receive_response_headers.started"):
            self.timer = threading.Timer(HEADERS_S, self._end)
            self.timer.daemon = True
            self.timer.start()
        elif "receive_response_headers" in step and self.timer:
            self.timer.cancel()

    def _end(self) -> None:
        self.has_ended = True
        if self.connection:
            socket.socket.shutdown(self.connection, socket.SHUT_RDWR)  # what waits for its bytes is told


def _reason(error: Exception) -> str:
    """In words. What is said of an address that cannot be read quotes it, with its password."""
    import httpx

    return "it is no address" if isinstance(error, httpx.InvalidURL) else str(error) or type(error).__name__


def _client(token: str) -> "httpx.Client":
    """A client that follows redirects and the environment's proxies, and takes the bytes as they are stored."""
    import httpx

    login = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        return httpx.Client(
            follow_redirects=True,
            timeout=TIMEOUT_S,
            headers={"Accept-Encoding": "identity", "User-Agent": "reszoo"} | login,
        )
    except (ImportError, ValueError) as error:  # a SOCKS proxy without its package, an address that is none
        raise UnavailableError(
            f"the environment's proxy cannot be used: {error}", "Mend or unset HTTP_PROXY, HTTPS_PROXY and ALL_PROXY."
        ) from error


def _fix(error: Exception) -> str | None:
    """How to mend what no other try can; None for a connection that the next one may find in order."""
    import ssl

    import httpx

    cause: BaseException | None = error
    while cause and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__context__
    if cause:
        return "Set the clock right; for a proxy that signs by itself, name its certificate with SSL_CERT_FILE."
    if isinstance(error, httpx.ProxyError) and not str(error).startswith("5"):  # it begins with the status
        return PROXY_FIX
    is_of_the_address = isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))
    is_of_the_address |= isinstance(error, httpx.RemoteProtocolError) and "location" in str(error).lower()
    if is_of_the_address or not isinstance(error, httpx.TransportError):
        return "Mend the address, or the mirror."
    return None


def _request(client: "httpx.Client", url: str, part: PartialFile, report: Count) -> str | None:
    """One request: append what is missing, or start again if the server does not go on with what is there."""
    origin = part.origin(url)
    done = part.size() if origin else 0
    if origin and done == (part.expected_bytes or origin.total_bytes):
        return origin.sha256  # the process before us ended between the last byte and the check
    headers = {"Range": f"bytes={done}-", "If-Range": origin.validator or ""} if origin else {}
    with client.stream("GET", url, headers=headers) as response:
        _check_status(response, part)
        refuse_announced(
            public(url), response.headers.get("Content-Type", ""), response.headers.get("Content-Encoding", "")
        )
        served = _origin_of(response, url)
        part.refuse_excess(served.total_bytes or 0, public(url))
        if response.status_code == 206:
            _check_continues(response, served, origin, part)
        else:  # the server knows no ranges, or the file is another one now
            done = 0
            part.start(served)
        total = part.expected_bytes or served.total_bytes
        pace = _Pace(done)
        with part.path.open("ab") as file:
            for chunk in response.iter_raw():
                done += len(chunk)
                pace.check(done)
                part.refuse_excess(done, public(url))
                file.write(chunk)
                report(done, total)
            to_disk(file)
    part.refuse_imposter(public(url))
    announced = served.total_bytes or total
    if announced is not None and done < announced:
        raise _RetryableError(f"the server ended the file after {done} of {announced} bytes")
    part.refuse_shortage(public(url))
    return served.sha256


class _Pace:
    """How fast bytes come: a server that sends one now and then keeps a connection open for days."""

    def __init__(self, done: int) -> None:
        self.since, self.done = time.monotonic(), done

    def check(self, done: int) -> None:
        """Raises _SlowError where the last window brought too little. A pause of ours is none of the server's."""
        seconds = time.monotonic() - self.since
        if seconds < WINDOW_S:
            return
        came = done - self.done
        if came < WINDOW_BYTES:
            raise _SlowError(f"the server sent {came} bytes in {seconds:.0f} s")
        self.since, self.done = time.monotonic(), done


def _check_status(response: "httpx.Response", part: PartialFile) -> None:
    code = response.status_code
    answer = f"the server answered {code} {response.reason_phrase}".rstrip()
    if code == 416:  # there is nothing after the bytes we have, and still they are not the file
        part.discard()
    if code in (408, 416, 425, 429) or (code >= 500 and code not in HOPELESS):
        raise _RetryableError(answer, _retry_after_s(response))
    if code not in (200, 206):
        kind = NotFoundError if code in (404, 410) else ReszooError
        raise kind(
            f"cannot download {public(str(response.request.url))}: {answer}",
            FIXES.get(code, "The file has moved: name a mirror that has it with RESZOO_MIRROR."),
        )


def _check_continues(response: "httpx.Response", served: Origin, origin: Origin | None, part: PartialFile) -> None:
    """Refuse a part of a file that is not the one we have the beginning of, or that starts elsewhere."""
    start = re.match(r"bytes ([0-9]{1,18})-", response.headers.get("Content-Range", ""))
    is_same = origin is not None and served.validator in (None, origin.validator)
    if not (is_same and start and int(start[1]) == part.size()):
        part.discard()
        raise _RetryableError("the file changed on the server, or its range is not the one that was asked for")


def _origin_of(response: "httpx.Response", url: str) -> Origin:
    headers = response.headers
    etag = headers.get("ETag", "")
    is_strong = etag.startswith('"')  # If-Range takes no weak ones
    length = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    return Origin(
        url=public(url),
        validator=etag if is_strong else headers.get("Last-Modified"),
        total_bytes=int(length) if NUMBER.fullmatch(length) else None,
        sha256=_stated_sha256(response),
    )


def _stated_sha256(response: "httpx.Response") -> str | None:
    """The hash that the Hugging Face hub sends for a large file, with the redirect to where its bytes are."""
    for answer in (*response.history, response):
        stated = answer.headers.get("X-Linked-Etag", "").strip('"')
        if re.fullmatch("[0-9a-f]{64}", stated):
            return str(stated)
    return None


def _retry_after_s(response: "httpx.Response") -> float | None:
    """Retry-After in seconds (it may be a date, too), as far as we are ready to wait; None for what is neither."""
    from email.utils import mktime_tz, parsedate_tz

    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", value):
        return min(float(value), LONGEST_WAIT_S)
    try:
        date = parsedate_tz(value)
        return min(max(mktime_tz(date) - time.time(), 0.0), LONGEST_WAIT_S) if date else None
    except (ValueError, OverflowError, TypeError, IndexError):  # a date that no calendar has
        return None
