"""Two questions that the supervisor and a load balancer ask: does the process answer, and does its database?

Answered before any other middleware: they come over plain HTTP, by whatever host name, and must not cost a session.
"""

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponseBase, JsonResponse

LIVE = "/health/live"
READY = "/health/ready"


def health(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that answers the two addresses and hands on everything else."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.path == LIVE:
            return _reply("ok")
        if request.path == READY:
            return _reply("ok") if _database_answers() else _reply("unavailable", 503)
        return get_response(request)

    return answer


def _reply(status: str, code: int = 200) -> JsonResponse:
    return JsonResponse({"status": status}, status=code, headers={"Cache-Control": "no-store"})


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
