"""Errors as problem+json (RFC 9457), in the language that the caller asks for.

    {"type": "/api/v1/docs#customer_unknown", "title": "Запрос не выполнен", "status": 422,
     "detail": "Клиента romashka нет.", "code": "customer_unknown", "field": "customer",
     "remedy": "Исправьте запрос: ничего не изменилось.", "errors": []}

`code` is stable and is what a program looks at. A `Failure` of any context becomes 422 with its
words; a code that ends in `_not_found` becomes 404, and `STATUSES` names the other exceptions.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse

from kvit.core.pricing import PriceError
from kvit.core.wording import Words, say
from kvit.parties import queries as parties
from kvit.platform import durable_log
from kvit.platform.failures import Failure
from kvit.web import troubles
from kvit.web.authorship import failure_text

PREFIX = "/api/v1/"
MEDIA_TYPE = "application/problem+json"
STATUSES = {
    "idempotency_key_reused": 409,
    "cursor_unreadable": 400,
    "metering_event_not_found": 422,  # named in the body, not by the address
    "draft_unknown": 404,
    "order_unknown": 404,
    "never_seen": 404,
    "draft_moved": 409,
    "draft_conflict": 409,
    "order_under_way": 409,
    "preview_is_old": 409,
    "preview_stale": 409,
    "preview_stale_otherwise": 409,
}
WORDS: Words = {
    "bad_request": (
        "Тело запроса не читается как JSON.",
        "The body of the request cannot be read as JSON.",
    ),
    "credentials_missing": (
        "Кто обращается, неизвестно: в запросе нет ключа.",
        "It is not known who asks: the request carries no key.",
    ),
    "credentials_wrong": (
        "Ключ не подходит: он с ошибкой, отозван или истёк.",
        "The key does not open: it is mistyped, revoked or has expired.",
    ),
    "second_factor_missing": (
        "Компания требует от программ второй фактор: подпись запроса или сертификат клиента.",
        "The company asks machines for a second factor: a signed request or a client certificate.",
    ),
    "signature_wrong": (
        "Подпись запроса не сходится: {why}.",
        "The request's signature does not hold: {why}.",
    ),
    "csrf_failed": (
        "Запрос пришёл не с нашей страницы.",
        "The request did not come from a page of ours.",
    ),
    "proof_too_old": (
        "Для этого действия войдите заново: вы подтверждали вход слишком давно.",
        "Log in again for this: you have proved who you are too long ago.",
    ),
    "right_missing": (
        "Нужно право {right}, у вас его нет.",
        "The right {right} is needed, and you do not have it.",
    ),
    "only_looking": (
        "Вы смотрите офис как другая роль: ничего не меняется.",
        "You only look as another role does: nothing is changed.",
    ),
    "not_found": ("Такого объекта нет.", "There is no such object."),
    "path_unknown": ("Адреса {path} в API нет.", "The API has no address {path}."),
    "method_not_allowed": (
        "Метод {method} здесь не применим; можно: {allowed}.",
        "The method {method} is not for this address; allowed: {allowed}.",
    ),
    "host_unknown": (
        "Под именем {host} API не отвечает: имена задаёт администратор, KVIT_HOSTS.",
        "The API does not answer under the name {host}: its operator sets names, KVIT_HOSTS.",
    ),
    "body_too_large": (
        "Тело запроса больше {limit} байт.",
        "The body of the request is larger than {limit} bytes.",
    ),
    "body_too_deep": (
        "Вложенность тела запроса больше {limit}.",
        "The body of the request is nested deeper than {limit}.",
    ),
    "media_type_unsupported": (
        "Тело запроса должно быть application/json, а не {given}.",
        "The body of the request must be application/json, not {given}.",
    ),
    "encoding_unsupported": (
        "Тело можно сжать только gzip, а не {given}.",
        "A body may be packed by gzip alone, not by {given}.",
    ),
    "batch_size": (
        "В пачке должно быть от 1 до {limit} событий.",
        "A batch has 1 to {limit} events.",
    ),
    "text_unstorable": (
        "В тексте есть нулевой байт или знак, которого нет в Юникоде.",
        "A text holds a NUL or a character that Unicode has not.",
    ),
    "too_many_requests": (
        "Слишком много запросов: продолжайте через {seconds} с.",
        "Too many requests: go on in {seconds} s.",
    ),
    "idempotency_key_invalid": (
        "Idempotency-Key — от 1 до 200 печатных знаков ASCII.",
        "An Idempotency-Key has 1 to 200 printable ASCII characters.",
    ),
    "repeat_not_shown": (
        "Этот запрос уже выполнен, второй раз не сделано ничего. В его ответе было то, чего вам"
        " больше не видно: прочитайте сам объект.",
        "This request was carried out before, and nothing was done a second time. Its answer held"
        " what you may no longer see: read the object itself.",
    ),
    "invalid": ("Запрос не подходит: {first}", "The request does not fit: {first}"),
    "unexpected": (
        "Мы не справились с запросом. Номер ошибки {incident}: по нему её найдут в журнале.",
        "We failed to handle the request. The error's number is {incident}: the log has it.",
    ),
    **troubles.WORDS,
    **durable_log.WORDS,
}
TITLES: dict[int, tuple[str, str]] = {
    400: ("Запрос не читается", "The request cannot be read"),
    401: ("Нужен вход", "Who asks must be known"),
    403: ("Нет права", "Not permitted"),
    404: ("Не найдено", "Not found"),
    405: ("Метод не применим", "Method not allowed"),
    409: ("Противоречие", "Conflict"),
    412: ("Изменено другими", "Changed meanwhile"),
    413: ("Слишком большой запрос", "Too large"),
    415: ("Не тот тип тела", "Wrong media type"),
    422: ("Запрос не выполнен", "Not done"),
    429: ("Слишком часто", "Too many requests"),
    500: ("Ошибка на нашей стороне", "An error on our side"),
    503: ("Пока не принято", "Not taken for now"),
}
REMEDIES: dict[int, tuple[str, str]] = {
    400: (
        "Исправьте запрос: ничего не изменилось.",
        "Mend the request: nothing was changed.",
    ),
    401: (
        "Передайте ключ в заголовке «Authorization: Bearer kvit_…».",
        "Send a key in the header “Authorization: Bearer kvit_…”.",
    ),
    403: (
        "Попросите владельца компании выпустить ключ с этим правом.",
        "Ask the company's owner for a key with that right.",
    ),
    404: (
        "Проверьте адрес и код объекта; список покажет, что есть.",
        "Check the address and the object's code; a list shows what there is.",
    ),
    405: ("Возьмите один из разрешённых методов.", "Use one of the allowed methods."),
    409: (
        "Посмотрите, что есть сейчас, и решите заново; новому запросу — новый Idempotency-Key.",
        "Look at what stands now and decide anew; a new request has a new Idempotency-Key.",
    ),
    412: (
        "Прочитайте объект снова и повторите изменение с новым ETag.",
        "Read the object again and repeat the change with the new ETag.",
    ),
    413: ("Разделите запрос на части.", "Split the request."),
    415: (
        "Передайте JSON и заголовок «Content-Type: application/json».",
        "Send JSON and the header “Content-Type: application/json”.",
    ),
    422: (
        "Исправьте запрос: ничего не изменилось.",
        "Mend the request: nothing was changed.",
    ),
    429: (
        "Подождите столько секунд, сколько сказано в Retry-After.",
        "Wait for as many seconds as Retry-After says.",
    ),
    500: (
        "Повторите позже с тем же Idempotency-Key: дважды ничего не сделается.",
        "Try again later with the same Idempotency-Key: nothing is done twice.",
    ),
    503: (
        "Повторите то же самое через столько секунд, сколько сказано в Retry-After.",
        "Send the same again after as many seconds as Retry-After says.",
    ),
}

_log = logging.getLogger("kvit.api")


class Errors:
    """Middleware: what no handler of the API expected becomes a 500 with a number."""

    def __init__(self, answer: Callable[[HttpRequest], Any]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> Any:
        return self.answer(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer for what a view of the API raised."""
        return unexpected(request, error) if request.path.startswith(PREFIX) else None


class ApiRefused(Failure):
    """The API itself refuses; `status` is the answer's."""

    words = WORDS

    def __init__(
        self,
        code: str,
        /,
        *,
        status: int,
        field: str = "",
        headers: Mapping[str, str] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(code, **params)
        self.status = status
        self.field = field
        self.headers = dict(headers or {})


def language(request: HttpRequest) -> str:
    """Return "ru" or "en": what Accept-Language asks for, else the company's, else Russian."""
    accepted = request.headers.get("Accept-Language", "")
    return language_of(accepted, "") or _language_of_company(request)


def _language_of_company(request: HttpRequest) -> str:
    """Return the language of whoever asks, also where the request was refused before its key was
    looked at; Russian where nobody is known."""
    if principal := getattr(request, "principal", None):
        return str(principal.tenant.row.language)
    if not hasattr(request, "spoken"):
        request.spoken = "ru"
        try:
            known = parties.known_key(bearer(request), now=datetime.now(UTC))
        except DatabaseError:  # which may be what is to be told
            known = None
        request.spoken = known.tenant.row.language if known else "ru"
    return str(request.spoken)


def bearer(request: HttpRequest) -> str:
    """Return the key that a request carries, whatever it may be; empty where there is none."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def language_of(accepted: str, otherwise: str) -> str:
    """Return the first of our languages that the header Accept-Language asks for."""
    for part in accepted.split(","):
        asked = part.split(";")[0].strip().lower()[:2]
        if asked in ("ru", "en"):
            return asked
    return otherwise


def problem(
    request: HttpRequest,
    *,
    status: int,
    code: str,
    detail: str,
    field: str = "",
    remedy: str = "",
    errors: Iterable[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return an error as problem+json."""
    column = ("ru", "en").index(language(request))
    told = {
        "type": f"/api/v1/docs#{code}",
        "title": TITLES.get(status, TITLES[422])[column],
        "status": status,
        "detail": detail,
        "code": code,
        "field": field or None,
        "remedy": remedy or REMEDIES.get(status, REMEDIES[422])[column],
        "errors": list(errors),
    }
    answer = HttpResponse(orjson.dumps(told), status=status, content_type=MEDIA_TYPE)
    answer["Content-Language"] = language(request)
    answer["Cache-Control"] = "no-store"
    for name, value in (headers or {}).items():
        answer[name] = value
    return answer


def of_failure(request: HttpRequest, error: Failure) -> HttpResponse:
    """Return an expected failure in its own words."""
    request.refusal = error
    status = getattr(error, "status", None) or STATUSES.get(error.code, 0)
    if not status:
        status = 404 if error.code.endswith("_not_found") else 422
    field = getattr(error, "field", "") or error.params.get("field", "")
    return problem(
        request,
        status=status,
        code=error.code,
        detail=failure_text(error, language(request)),
        field=str(field),
        headers=getattr(error, "headers", None),
    )


def of_price(request: HttpRequest, error: PriceError) -> HttpResponse:
    """Return what is wrong with a price, a plan or a meter, and in which of its fields."""
    text = error.message(language(request))
    return problem(request, status=422, code=error.code, detail=text, field=error.field)


def of_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    """Return 404: it is not there, or not in the caller's tenant, which is not told apart."""
    return said(request, "not_found", status=404)


def said(request: HttpRequest, code: str, *, status: int, **params: Any) -> HttpResponse:
    """Return one of the API's own errors."""
    return problem(
        request, status=status, code=code, detail=say(WORDS, code, language(request), **params)
    )


def unexpected(request: HttpRequest, error: BaseException) -> HttpResponse:
    """Return 500 with a number under which the log has the whole story; no word of it is told."""
    if trouble := troubles.trouble_of(error):
        _log.error("%s: %s %s: %s", trouble.code, request.method, request.path, error)
        return of_failure(request, trouble)
    incident = secrets.token_hex(4)
    _log.error("incident %s: %s %s", incident, request.method, request.path, exc_info=error)
    return said(request, "unexpected", status=500, incident=incident)
