"""Who asks."""

from django.http import HttpRequest

from senim.kernel.access.models import Staff


def person(request: HttpRequest) -> Staff:
    """The worker who is signed in; for views behind ``requires``, which lets nobody else through."""
    user = request.user
    assert isinstance(user, Staff), "the view is not guarded"
    return user
