"""Masking of secrets in logs, exceptions and kept responses.

ASP.NET's request validation echoes the refused value, even a password, cut short (facts 8). So secrets are masked by
value, in their forms in a URL, a form body and XML, and by the name of the parameter before them.
"""

import re
from collections import deque
from collections.abc import Mapping
from threading import RLock
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

MASK = "***"
#: Parameters whose values are secrets; a login name is masked too, as half of a credential.
SECRET_NAMES = frozenset({"SessionID", "Password", "LoginName", "APIKey"})

_SHORTEST = 4  # a shorter secret would mask words that merely contain it
_SHORTEST_IN_DATA = 8  # as long as a password has to be (facts 4.3); a shorter one may be a part of a figure
_KEPT = 256  # session ids accumulate; the latest are enough
_NAMES = "SessionID|Password|LoginName|Login|APIKey|Api[_-]?Key"
_ECHO = re.compile(rf"""\b({_NAMES})(\s*=\s*)(&quot;|"|')(.*?)(\3|$)""", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(rf"""\b({_NAMES})=([^&\s"'<>]+)""", re.IGNORECASE)
#: Responses that are a secret. A connection out of step may return one to another call before its own registers it.
_RESULT = re.compile(r"(<(?:\w+:)?(?:Login|GenerateAPIKey|UserGetAPIKey)Result(?:\s[^<>]*)?>)[^<]*<")
_ELEMENT = re.compile(rf"<((?:\w+:)?(?:{_NAMES}))(\s[^<>]*)?>[^<]*<", re.IGNORECASE)


class Masker:
    """Holds the secrets of this process and masks them in text. Its repr shows only their number."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal handler may log while its thread is masking
        self._lasting: set[str] = set()
        self._passing: deque[str] = deque(maxlen=_KEPT)

    def __repr__(self) -> str:
        return f"Masker({len(self._lasting) + len(self._passing)} forms)"

    def learn(self, secret: str | None, *, passing: bool = False) -> None:
        """Masks `secret` from now on; `passing` ones (session ids) are dropped for newer ones in time."""
        if not secret or len(secret) < _SHORTEST:
            return
        forms = {secret, secret.lower(), secret.upper(), quote(secret, safe=""), quote_plus(secret), escape(secret)}
        forms.add(escape(secret, {'"': "&quot;"}))
        with self._lock:
            if passing:
                self._passing.extend(forms - set(self._passing))
            else:
                self._lasting |= forms

    def text(self, words: str) -> str:
        """`words` with secrets masked."""
        with self._lock:
            secrets = sorted({*self._lasting, *self._passing}, key=len, reverse=True)
        for secret in secrets:
            if secret in words:
                words = words.replace(secret, MASK)
        words = _ECHO.sub(rf"\1\2\3{MASK}\5", words)
        words = _QUERY.sub(rf"\1={MASK}", words)
        words = _RESULT.sub(rf"\1{MASK}<", words)
        return _ELEMENT.sub(rf"<\1\2>{MASK}<", words)

    def in_answer(self, body: bytes) -> bytes:
        """A good response with the secrets masked that it echoes, otherwise byte for byte as received."""
        with self._lock:
            secrets = [*self._lasting, *self._passing]
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_IN_DATA and (found := secret.encode()) in body:
                body = body.replace(found, MASK.encode())
        return body

    def data(self, body: bytes) -> bytes:
        """`body` with secrets masked, for fault bodies that are kept; bytes that are not UTF-8 are unchanged."""
        masked = self.text(body.decode("utf-8", "surrogateescape"))
        return masked.encode("utf-8", "surrogateescape")


#: One per process: a log record does not state which client wrote it.
MASKER = Masker()


def masked_arguments(arguments: Mapping[str, object]) -> dict[str, object]:
    """Arguments for a response, a log or an error: SessionID left out, other secrets masked."""
    return {name: MASK if name in SECRET_NAMES else value for name, value in arguments.items() if name != "SessionID"}
