"""Secrets out of words: what a log, an exception or a kept answer may show.

ASP.NET's request validation echoes the value that it refuses, even a password, cut short (facts 8). So secrets are
masked by value, in the forms they take in a URL, a form body and XML, and by the name of the parameter beside them.
"""

import re
from collections import deque
from collections.abc import Mapping
from threading import RLock
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

MASK = "***"
#: Parameters whose values are secrets; a login name is masked too, since it is half of a credential.
SECRET_NAMES = frozenset({"SessionID", "Password", "LoginName", "APIKey"})

_SHORTEST = 4  # a shorter secret would mask words that merely contain it
_SHORTEST_IN_DATA = 8  # as long as a password has to be (facts 4.3); a shorter one may be a part of a figure
_KEPT = 256  # sessions come and go; the latest are enough
_NAMES = "SessionID|Password|LoginName|Login|APIKey|Api[_-]?Key"
_ECHO = re.compile(rf"""\b({_NAMES})(\s*=\s*)(&quot;|"|')(.*?)(\3|$)""", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(rf"""\b({_NAMES})=([^&\s"'<>]+)""", re.IGNORECASE)
#: Answers that are a secret. A connection that is out of step may give one to another call, before its own learns it.
_RESULT = re.compile(r"(<(?:\w+:)?(?:Login|GenerateAPIKey|UserGetAPIKey)Result(?:\s[^<>]*)?>)[^<]*<")
_ELEMENT = re.compile(rf"<((?:\w+:)?(?:{_NAMES}))(\s[^<>]*)?>[^<]*<", re.IGNORECASE)


class Masker:
    """Knows the secrets of this process and takes them out of text. Its repr says only how many."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal handler may log while its own thread is masking
        self._lasting: set[str] = set()
        self._passing: deque[str] = deque(maxlen=_KEPT)

    def __repr__(self) -> str:
        return f"Masker({len(self._lasting) + len(self._passing)} forms)"

    def learn(self, secret: str | None, *, passing: bool = False) -> None:
        """Masks `secret` from now on; `passing` ones (session ids) make room for newer ones in time."""
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
        """`words` without secrets."""
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
        """A good answer without the secrets that it echoes, and else byte for byte as received."""
        with self._lock:
            secrets = [*self._lasting, *self._passing]
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_IN_DATA and (found := secret.encode()) in body:
                body = body.replace(found, MASK.encode())
        return body

    def data(self, body: bytes) -> bytes:
        """`body` without secrets, for fault bodies that are kept; bytes that are no UTF-8 come through as they are."""
        masked = self.text(body.decode("utf-8", "surrogateescape"))
        return masked.encode("utf-8", "surrogateescape")


#: One for the process: a log record does not say which client wrote it.
MASKER = Masker()


def masked_arguments(arguments: Mapping[str, object]) -> dict[str, object]:
    """Arguments as an answer, a log or an error may show them: SessionID left out, other secrets masked."""
    return {name: MASK if name in SECRET_NAMES else value for name, value in arguments.items() if name != "SessionID"}
