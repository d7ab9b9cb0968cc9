"""The standard string formats as regular languages.

Each is the grammar of its RFC, written as an anchored ECMA pattern; `format_set(name)` answers None for a name that
the specification does not know (such a format is an annotation). Deliberate limits, most of them to keep lexers small:
`date` knows month lengths and leap years; a leap second is taken only at 23:59:60 with offset Z or 00:00; labels of
`hostname` have at most 63 characters, but lengths as a whole, and those of `email`, are not bounded; `email` has no
folding white space or comments; addresses in brackets inside `uri`, `iri` and `email` are taken by their characters;
`idn-*` and `iri*` are taken by their character sets, without Unicode normalisation or bidi rules; `regex` is not
regular and has no entry in `PATTERNS`.
"""

from __future__ import annotations

import functools

from cfgdecode.json_schema import string_sets as strings
from cfgdecode.json_schema.ecma_regex import parse
from cfgdecode.json_schema.string_sets import StringSet

_YEAR = r"\d{4}"
_LEAP = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    rf"|02-(?:0[1-9]|1\d|2[0-8]))|{_LEAP}-02-29)"
)
_OFFSET = r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_TIME = rf"(?:(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?{_OFFSET}|23:59:60(?:\.\d+)?(?:[Zz]|[+-]00:00))"
_DURATION = (
    r"P(?:\d+W|(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?"
    r"|T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))"
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_FREE_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"{_FREE_LABEL}(?:\.{_FREE_LABEL})*"
_U = r"\u0080-\uD7FF\uE000-\uFFFF\u{10000}-\u{10FFFF}"
_IDN_LABEL = rf"[A-Za-z0-9{_U}](?:[A-Za-z0-9{_U}-]*[A-Za-z0-9{_U}])?"
_IDN_HOST = rf"{_IDN_LABEL}(?:[.\u3002\uFF0E\uFF61]{_IDN_LABEL})*"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_H = r"[0-9A-Fa-f]{1,4}"
_LS32 = rf"(?:{_H}:{_H}|{_IPV4})"
_IPV6 = "(?:" + "|".join(
    [rf"(?:{_H}:){{6}}{_LS32}", rf"::(?:{_H}:){{5}}{_LS32}"]
    + [
        rf"(?:(?:{_H}:){{0,{n}}}{_H})?::" + (rf"(?:{_H}:){{{4 - n}}}{_LS32}" if n < 5 else _H if n == 5 else "")
        for n in range(7)
    ]
) + ")"  # fmt: skip
_BRACKETED = r"[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*"  # an IPv6 address, roughly
_UNRESERVED, _SUB = r"A-Za-z0-9._~\-", r"!$&'()*+,;="
_PCT = r"%[0-9A-Fa-f]{2}"


def _uri(extra: str, private: str) -> tuple[str, str]:
    """(absolute with scheme, reference) of RFC 3986, or of RFC 3987 with `extra` characters."""
    pchar = rf"(?:[{_UNRESERVED}{_SUB}:@{extra}]|{_PCT})"
    no_colon = rf"(?:[{_UNRESERVED}{_SUB}@{extra}]|{_PCT})"
    user = rf"(?:(?:[{_UNRESERVED}{_SUB}:{extra}]|{_PCT})*@)?"
    name = rf"(?:[{_UNRESERVED}{_SUB}{extra}]|{_PCT})*"
    literal = rf"\[(?:{_BRACKETED}|[vV][0-9A-Fa-f]+\.[{_UNRESERVED}{_SUB}:]+)\]"
    authority = rf"//{user}(?:{literal}|{name})(?::\d*)?(?:/{pchar}*)*"
    absolute = rf"/(?:{pchar}+(?:/{pchar}*)*)?"
    rootless = rf"{pchar}+(?:/{pchar}*)*"
    relative = rf"{no_colon}+(?:/{pchar}*)*"
    query = rf"(?:\?(?:{pchar}|[/?{private}])*)?"
    tail = rf"{query}(?:#(?:{pchar}|[/?])*)?"
    uri = rf"[A-Za-z][A-Za-z0-9+.\-]*:(?:{authority}|{absolute}|{rootless})?{tail}"
    return uri, rf"(?:{uri}|(?:{authority}|{absolute}|{relative})?{tail})"


_URI, _URI_REFERENCE = _uri("", "")
_IRI, _IRI_REFERENCE = _uri(r"\u00A0-\uD7FF\uF900-\uFDCF\uFDF0-\uFFEF\u{10000}-\u{EFFFD}", r"\uE000-\uF8FF")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_IDN_ATOM = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~\-{_U}]"
_VARNAME = rf"(?:[A-Za-z0-9_]|{_PCT})(?:\.?(?:[A-Za-z0-9_]|{_PCT}))*"
_VARSPEC = rf"{_VARNAME}(?:\*|:[1-9]\d{{0,3}})?"
_TEMPLATE = (
    rf"(?:[!#$&(-;=?-\[\]_a-z~\u00A0-\uD7FF\uF900-\uFDCF\uFDF0-\uFFEF\u{{10000}}-\u{{EFFFD}}]|{_PCT}"
    rf"|\{{[+#./;?&=,!@|]?{_VARSPEC}(?:,{_VARSPEC})*\}})*"
)
_POINTER = r"(?:/(?:[^~/]|~[01])*)*"

PATTERNS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": rf"{_DATE}[Tt]{_TIME}",
    "duration": _DURATION,
    "email": rf"(?:{_ATOM}+(?:\.{_ATOM}+)*|{_QUOTED})@(?:{_DOMAIN}|\[(?:{_IPV4}|IPv6:{_BRACKETED})\])",
    "idn-email": rf"(?:{_IDN_ATOM}+(?:\.{_IDN_ATOM}+)*|{_QUOTED})@(?:{_IDN_HOST}|\[(?:{_IPV4}|IPv6:{_BRACKETED})\])",
    "hostname": _HOST,
    "idn-hostname": _IDN_HOST,
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "uri": _URI,
    "uri-reference": _URI_REFERENCE,
    "iri": _IRI,
    "iri-reference": _IRI_REFERENCE,
    "uri-template": _TEMPLATE,
    "uuid": r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    "json-pointer": _POINTER,
    "relative-json-pointer": rf"(?:0|[1-9]\d*)(?:#|{_POINTER})",
}
STANDARD = frozenset(PATTERNS) | {"regex"}


@functools.lru_cache(maxsize=64)
def format_set(name: str) -> StringSet | None:
    """The strings of a standard format; None for `regex` and for names that are not standard."""
    source = PATTERNS.get(name)
    if source is None:
        return None
    return strings.pattern(parse(f"^(?:{source})$"))
