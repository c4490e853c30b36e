"""docs/reference/api.md, made of the description of the API."""

from collections.abc import Iterator

from kvit.web.api import openapi, pages, urls


def text(made_by: str) -> str:
    """Return the page: every operation by area, with its right, parameters and body."""
    document = openapi.document(urls.api)
    lines = [
        "# API",
        "",
        "Under `/api/v1`; the same is served at `/api/v1/docs` and `/api/v1/openapi.json`."
        f" {made_by}",
        "",
        "How to begin: [работать через API](../howto/use-the-api.md). Codes of errors:"
        " [errors](errors.md); those of the API itself are at the end.",
    ]
    for russian, english in zip(
        pages.areas(document, "ru"), pages.areas(document, "en"), strict=True
    ):
        lines += ["", f"## {english.title} · {russian.title}", ""]
        lines += ["| operation | right | takes |", "|---|---|---|"]
        lines += [_row(one) for one in english.operations]
    lines += ["", "## Errors of the API itself · Ошибки самого API", ""]
    lines += ["| code | says |", "|---|---|"]
    known = zip(pages.codes("ru"), pages.codes("en"), strict=True)
    lines += [f"| `{code}` | {said} · {text} |" for (code, text), (_, said) in known]
    return "\n".join(lines) + "\n"


def _row(one: pages.Operation) -> str:
    takes = ", ".join(_takes(one)) or "–"
    return f"| `{one.method} {one.path}` {one.summary} (`{one.id}`) | `{one.right}` | {takes} |"


def _takes(one: pages.Operation) -> Iterator[str]:
    for shown in one.parameters:
        if f"{{{shown.name}}}" not in one.path and shown.name not in (
            "Idempotency-Key",
            "If-Match",
        ):
            yield f"?{shown.name}"
    for shown in one.body:
        if "." not in shown.name and "[" not in shown.name:
            yield f"**{shown.name}**" if shown.required else shown.name
