"""The page that shows an OpenAPI document to people: whole in its HTML, so that it is read without a script, too.

Everything that comes from the document is text: nothing in a docstring becomes markup, but for `code` in backticks and
lines that begin with a hyphen.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from storied.services.describing.answers import OPERATIONS
from storied.services.describing.schemas import PREFIX, Schema

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
ORIGIN = "http://localhost:8000"
"""Where a service is asked, when it is not known where it is."""
PLACES = {"path": "In the path", "query": "In the query string", "header": "Headers"}
"""Where parameters are, in the order in which the page shows them; the body and an example stand before the headers."""
_CODE = re.compile(r"`+([^`]+)`+")
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "length at least {}",
    "maxLength": "length at most {}",
    "minItems": "items at least {}",
    "maxItems": "items at most {}",
}


def page_of(document: Mapping[str, Any], origin: str = ORIGIN) -> str:
    """The page of the document, whose command lines ask at the origin."""
    return "".join(_Page(document, origin).parts())


class _Page:
    """Writes one document."""

    def __init__(self, document: Mapping[str, Any], origin: str) -> None:
        self._document, self._origin = document, origin
        self._components: Mapping[str, Any] = document["components"]
        self._groups: dict[str, list[tuple[str, str, Any]]] = {}
        for path, item in document["paths"].items():
            for method, operation in item.items():
                self._groups.setdefault(operation["tags"][0], []).append((method, path, operation))
        self._groups |= {OPERATIONS: self._groups.pop(OPERATIONS, [])}  # last: few look for them

    def parts(self) -> Iterator[str]:
        """The parts of the page, from top to bottom."""
        info = self._document["info"]
        yield (
            f'<!DOCTYPE html>\n<html lang="en" data-origin="{escape(self._origin)}">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(info['title'])}: what can be asked</title>\n"
            '<link rel="stylesheet" href="docs/storied.css">\n<script src="docs/storied.js" defer></script>\n'
            '</head>\n<body>\n<a class="skip" href="#operations">To the operations</a>\n<div class="frame">\n'
        )
        yield (
            f'<nav aria-label="Operations">\n<h1>{escape(info["title"])}</h1>\n'
            f'<p class="about">Version {escape(info["version"])} · <a href="openapi.json">openapi.json</a></p>\n'
            '<div id="finding" hidden><label for="search">Find</label> '
            '<input id="search" type="search" placeholder="press / to find" autocomplete="off"></div>\n'
            '<p id="said" role="status" class="about"></p>\n'
        )
        for tag, operations in self._groups.items():
            yield f"<div data-group>\n<h2>{escape(tag)}</h2>\n<ul>\n"
            for method, path, operation in operations:
                yield (
                    f'<li data-words="{_words(method, path, operation)}">'
                    f'<a href="#{escape(operation["operationId"])}">{_method(method)} '
                    f'<span class="path">{_path(path)}</span></a></li>\n'
                )
            yield "</ul>\n</div>\n"
        yield '</nav>\n<main id="operations">\n'
        for tag, operations in self._groups.items():
            yield f"<section data-group>\n<h2>{escape(tag)}</h2>\n"
            for method, path, operation in operations:
                yield from self._operation(method, path, operation)
            yield "</section>\n"
        yield "<section>\n<h2>Schemas</h2>\n"
        for name, schema in self._components["schemas"].items():
            if _is_narrower(schema):  # one of problems, which their answer shows
                continue
            yield f'<section class="schema" id="{_anchor(name)}">\n<h3>{escape(name)}</h3>\n'
            yield f"{prose(schema.get('description', ''))}{self._fields(schema)}</section>\n"
        yield "</section>\n</main>\n</div>\n</body>\n</html>\n"

    def _operation(self, method: str, path: str, operation: Any) -> Iterator[str]:
        yield (
            f'<details class="operation" id="{escape(operation["operationId"])}" '
            f'data-words="{_words(method, path, operation)}">\n<summary>{_method(method)} '
            f'<span class="path">{_path(path)}</span> <span class="what">{_inline(operation["summary"])}</span>'
            '</summary>\n<div class="inside">\n'
        )
        yield prose(operation.get("description", ""))
        if "security" in operation:
            yield f"<p>Credential: {_credentials(operation['security'])}.</p>\n"
        given = [self._resolved(one) for one in operation["parameters"]]
        for place, title in PLACES.items():
            if place == "header":
                yield from self._body(operation)
                curl = escape(self._curl(method, path, operation))
                yield f'<h3>Example</h3>\n<pre class="curl" tabindex="0"><code>{curl}</code></pre>\n'
            found = [one for one in given if one["in"] == place]
            rows = [self._row(one["name"], one["schema"], "required" in one, one.get("description")) for one in found]
            yield f"<h3>{title}</h3>\n{_table(rows)}" if rows else ""
        yield "<h3>Answers</h3>\n"
        for status, answer in operation["responses"].items():
            yield self._answer(status, self._resolved(answer))
        yield "</div>\n</details>\n"

    def _body(self, operation: Any) -> Iterator[str]:
        body = operation.get("requestBody")
        if body is not None:
            media, content = next(iter(body["content"].items()))
            must = "" if body["required"] else ' <span class="quiet">may be missing</span>'
            yield f"<h3>Body: <code>{escape(media)}</code>{must}</h3>\n"
            yield self._fields(self._resolved(content["schema"]))

    def _answer(self, status: str, answer: Any) -> str:
        first, _, rest = answer["description"].partition("\n")
        parts = [prose(rest)]
        names = [f"<code>{escape(name)}</code>" for name in answer.get("headers", {})]
        if names:
            parts.append(f"<p>Headers: {', '.join(names)}.</p>\n")
        for media, content in answer.get("content", {}).items():
            told = content["schema"].get("description", "") if media != "application/json" else ""
            parts.append(f"<p><code>{escape(media)}</code>: {self._type(content['schema'])} {_inline(told)}</p>\n")
            shown = [content["example"]] if "example" in content else []
            shown += [one["value"] for one in content.get("examples", {}).values()]
            parts += [f'<pre tabindex="0"><code>{escape(_shown(one))}</code></pre>\n' for one in shown[:1]]
        head = f'<span class="status">{escape(status)}</span> {_inline(first)}'
        inside = "".join(parts)
        return f'<details class="answer"><summary>{head}</summary>\n<div>{inside}</div></details>\n'

    def _fields(self, schema: Schema) -> str:
        """The members of an object as a table; what other schemas allow, in words."""
        if "properties" not in schema:
            return f"<p>{self._type(schema)}</p>\n"
        must = schema.get("required", ())
        rows = [self._row(name, one, name in must, None) for name, one in schema["properties"].items()]
        return _table(rows) if rows else '<p class="quiet">It has no members.</p>\n'

    def _row(self, name: str, schema: Schema, required: Any, description: str | None) -> str:
        must = ' <span class="must">required</span>' if required else ""
        told = prose(description or schema.get("description", ""))
        return (
            f"<tr><td><code>{escape(name)}</code>{must}</td><td>{self._type(schema)}</td><td>{told}"
            f"{_limits(schema)}</td></tr>\n"
        )

    def _type(self, schema: Any) -> str:
        """What values the schema allows, in words, with links to other schemas."""
        if not isinstance(schema, dict):
            return "anything"
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(PREFIX)
            if _is_narrower(self._components["schemas"][name]):
                return self._type(self._components["schemas"][name])
            return f'<a href="#{_anchor(name)}">{escape(name)}</a>'
        if "const" in schema or "enum" in schema:
            values = schema.get("enum", [schema.get("const")])
            return " or ".join(f"<code>{escape(json.dumps(one, ensure_ascii=False))}</code>" for one in values)
        if "allOf" in schema:
            return next(self._type(one) for one in schema["allOf"])
        inner = [self._type(one) for word in ("anyOf", "oneOf") for one in schema.get(word, ())]
        if inner:
            return " or ".join(dict.fromkeys(inner))
        kind = schema.get("type")
        if kind == "array":
            if "prefixItems" in schema:
                return f"list of {', then '.join(map(self._type, schema['prefixItems']))}"
            return f"list of {self._type(schema.get('items'))}"
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"object of {self._type(schema['additionalProperties'])}"
        words = escape(" or ".join(kind) if isinstance(kind, list) else kind or schema.get("title", ""))
        form = schema.get("format") or schema.get("contentEncoding")
        return f"{words} ({escape(form)})".strip() if form else words or "anything"

    def _curl(self, method: str, path: str, operation: Any) -> str:
        """The operation as a command line."""
        given = [self._resolved(one) for one in operation["parameters"]]
        for one in given:
            if one["in"] == "path":
                path = path.replace(f"{{{one['name']}}}", quote(str(one.get("example", "1")), safe=""))
        root = self._document["servers"][0]["url"].rstrip("/")
        asked = [f"{one['name']}={quote(str(one.get('example', '1')))}" for one in given if _is_asked(one, "query")]
        target = f"{self._origin}{root}{path}" + (f"?{'&'.join(asked)}" if asked else "")
        lines = [f"curl {shlex.quote(target)}" + ("" if method == "get" else f" -X {method.upper()}")]
        headers = [self._credential(name) for one in operation.get("security", ())[:1] for name in one]
        headers += [f"{one['name']}: {one.get('example', 'text')}" for one in given if _is_asked(one, "header")]
        lines += [f"-H {shlex.quote(one)}" for one in headers]
        if "requestBody" in operation:
            media, content = next(iter(operation["requestBody"]["content"].items()))
            lines += [f"-H {shlex.quote(f'Content-Type: {media}')}"]
            if "example" in content:
                lines += [f"-d {shlex.quote(json.dumps(content['example'], ensure_ascii=False))}"]
        return " \\\n  ".join(lines)

    def _credential(self, name: str) -> str:
        scheme = self._components["securitySchemes"][name]
        return f"{scheme['name']}: …" if scheme["type"] == "apiKey" else "Authorization: Bearer …"

    def _resolved(self, one: Any) -> Any:
        """What a reference refers to; anything else is itself."""
        if "$ref" not in one:
            return one
        _, _, kind, name = one["$ref"].split("/")
        return self._components[kind][name]


def prose(text: str) -> str:
    """Text as paragraphs and lists."""
    found = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if lines and all(line.startswith("- ") for line in lines):
            found.append(f"<ul>{''.join(f'<li>{_inline(line[2:])}</li>' for line in lines)}</ul>\n")
        elif lines:
            found.append(f"<p>{_inline(block)}</p>\n")
    return "".join(found)


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _words(method: str, path: str, operation: Any) -> str:
    return escape(f"{method} {path} {operation['operationId']} {operation['summary']}".lower())


def _method(method: str) -> str:
    return f'<span class="method {method}">{method}</span>'


def _path(path: str) -> str:
    return escape(path).replace("/", "<wbr>/")  # where a line may end


def _anchor(name: str) -> str:
    return f"schema-{escape(name)}"


def _table(rows: Iterable[str]) -> str:
    head = "<thead><tr><th>Name</th><th>Type</th><th>Meaning</th></tr></thead>"
    return f"<table>{head}\n<tbody>\n{''.join(rows)}</tbody></table>\n"


def _limits(schema: Schema) -> str:
    """The bounds and the default of a schema."""
    told = [text.format(escape(str(schema[name]))) for name, text in _BOUNDS.items() if name in schema]
    if "pattern" in schema:
        told.append(f"like <code>{escape(schema['pattern'])}</code>")
    if schema.get("default") is not None:
        told.append(f"<code>{escape(json.dumps(schema['default'], ensure_ascii=False))}</code> if left out")
    return f'<p class="quiet">{", ".join(told)}</p>' if told else ""


def _credentials(security: Iterable[Mapping[str, Any]]) -> str:
    return " or ".join(" and ".join(f"<code>{escape(name)}</code>" for name in one) or "none" for one in security)


def _is_narrower(schema: Schema) -> bool:
    """Whether it is another schema with less allowed."""
    return "allOf" in schema and "properties" not in schema


def _is_asked(one: Mapping[str, Any], place: str) -> bool:
    return one["in"] == place and bool(one.get("required"))


def _shown(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
