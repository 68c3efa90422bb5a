"""Names out of what specifications offer: function names, vendors from hosts, APIs from titles, nouns from routes."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from rayscaler.canonical import digest
from rayscaler.specs.lexicon import words_of
from rayscaler.toolspec import snake, words

MAX_NAME = 64
"""Characters of a function name: the limit of OpenAI's and Anthropic's tool calling."""

_VERSION = re.compile(
    r"v?\d+([._-]\d+)*([a-z]+\d*)?|\d{4}-\d\d(-\d\d)?(-preview)?|v\d+\w*|latest|beta|alpha|preview", re.I
)
_AZURE_PROVIDER = re.compile(r"/providers/Microsoft\.\w+", re.I)
_PARAMETER = re.compile(r"\{[^{}]*\}|\(\s*[^()]*\)|<[^<>]*>")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def function_name(spelled: str) -> str:
    """`spelled` as a function name of at most 64 characters: its first word and as many of its last as fit."""
    name = snake(spelled[:400])
    if len(name) <= MAX_NAME:
        return name
    first, *rest = name.split("_")
    while rest and len(first) + sum(len(word) + 1 for word in rest) > MAX_NAME:
        rest.pop(0)
    return "_".join([first, *rest]) if rest else f"{name[:55]}_{digest(name, length=8)}"


def route_name(method: str, path: str) -> str:
    """A name for an operation that has none: `GET /pets/{petId}` -> `get_pets_by_pet_id`."""
    nouns = [part for part in segments(path) if not part.startswith("{")]
    last = path.rstrip("/").rpartition("/")[2]
    by = ["by", last] if last.startswith("{") else []
    return function_name("_".join([method, *nouns, *by]))


def segments(path: str) -> list[str]:
    """The segments of a route; a parameter is `{name}`, even inside a segment (`users('{id}')` -> users, {id})."""
    parts: list[str] = []
    for segment in path.partition("?")[0].partition("#")[0].split("/"):
        literal = _PARAMETER.sub(" ", segment).replace("'", " ").split(":")[0].strip(" ().")
        if literal and literal.strip("-_"):
            parts.extend(literal.split())
        parts.extend(found for found in _PARAMETER.findall(segment) if found.startswith("{"))
    return parts


def route_nouns(path: str) -> tuple[str, ...]:
    """The resource nouns of a route: `/api/v3/users/{id}/repos.json` -> users, repos."""
    nouns = []
    noise = words_of("route_noise")
    for segment in segments(_AZURE_PROVIDER.sub("", path)):
        literal = re.sub(r"\.(json|xml|php|aspx?)$", "", segment, flags=re.I)
        if not segment.startswith("{") and not _VERSION.fullmatch(literal) and literal.lower() not in noise:
            nouns.append(noun(literal))
    return tuple(item for item in nouns if item)


def noun(spelled: str) -> str:
    """A resource noun in lower case with underscores: `calendarList` -> `calendar_list`."""
    return "_".join(words(spelled[:120]))


def vendor_of(url: str) -> str:
    """The label of a host name that names its owner (`api.eu.deepl.com` -> `deepl`), or empty."""
    if "//" not in url:
        url = f"//{url}"
    try:
        host = urlsplit(_PARAMETER.sub("x", url)).hostname or ""
    except ValueError:
        return ""
    if re.fullmatch(r"[\d.:\[\]]*", host):
        return ""
    for shared in sorted(words_of("shared_hosts")):
        if host.endswith(f".{shared}"):
            return _vendor(host.removesuffix(f".{shared}").split(".")[-1])
    labels = host.split(".")
    if len(labels) < 2:
        return ""
    at = -3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in words_of("second_level") else -2
    return _vendor(labels[at])


def _vendor(label: str) -> str:
    return "" if label in words_of("no_vendor") or len(label) < 2 else slug(label)


def api_of(title: str, file: str) -> str:
    """A short name for the API: its title without words that every API has, else `file_label`."""
    kept = [w for w in re.findall(r"[a-z0-9]+", title.lower()) if w not in words_of("title_noise")]
    while len(kept) > 1 and _VERSION.fullmatch(kept[-1]):
        kept.pop()
    short = ""
    for word in kept:
        if len(short) + len(word) > 40:
            break
        short = f"{short}-{word}" if short else word
    return short or file_label(file)


def file_label(file: str) -> str:
    """What a file is called: its stem, or its folder where that says nothing (`stripe/openapi.yaml` -> `stripe`)."""
    path = PurePosixPath(file.removesuffix(".gz"))
    candidates = [path.stem, *(parent.name for parent in path.parents)]
    for candidate in candidates:
        name = slug(candidate)
        if name and name.lower() not in words_of("plain_file_names") and not _VERSION.fullmatch(name):
            return name
    return slug(path.stem) or "unnamed"


def slug(text: str) -> str:
    """`text` as one part of a tool id: letters, digits, dot, dash and underscore, at most 80 characters."""
    return _UNSAFE.sub("-", text[:200]).strip("-.")[:80]


def label(text: str) -> str:
    """`slug(text)`, or for a text without one Latin letter or digit (`天气`) a short digest of it."""
    return slug(text) or f"n{digest(text, length=8)}"
