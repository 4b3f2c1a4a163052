"""The way in and out: sign in, change the password, sign out."""

from typing import Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, login, logout, update_session_auth_hash
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from senim.kernel.access import guard, services
from senim.kernel.access.forms import ChangePasswordForm, SignInForm
from senim.kernel.access.models import Staff

BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
REASONS: Final = {
    "present": lambda: _("The present password is wrong."),
    "new": lambda: _("The new password is the same as the present one."),
}


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for login and password, and lead on to the page that was asked for (PS-12.4)."""
    address = guard.local(request, request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or "/")
    if request.user.is_authenticated and request.method != "POST":
        return redirect(address)
    form = SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            staff = services.sign_in(form.cleaned_data["login"], form.cleaned_data["password"])
        except services.SignInRefused:
            form.add_error(
                None, _("The login or the password is wrong. After several wrong tries sign-in closes for 15 minutes.")
            )
        else:
            return _enter(request, staff, address)
    context = {"form": form, "next": address, "next_field": REDIRECT_FIELD_NAME}
    return render(request, "access/sign_in.html", context, status=200 if request.method != "POST" else 422)


def _enter(request: HttpRequest, staff: Staff, address: str) -> HttpResponse:
    """Begin a session under a new key, in the person's own language."""
    login(request, staff, backend=BACKEND)
    response = redirect("access:password" if staff.must_change_password else address)
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        staff.language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        samesite="Lax",
        secure=request.is_secure(),
        httponly=True,
    )
    return response


@never_cache
@sensitive_post_parameters("present", "new", "again")
@require_http_methods(["GET", "HEAD", "POST"])
def change_password(request: HttpRequest) -> HttpResponse:
    """Change one's own password; at the first entry nothing else opens (PS-12.4)."""
    staff = request.user
    if not isinstance(staff, Staff):
        return guard.ask_to_sign_in(request)
    form = ChangePasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_password(staff, form.cleaned_data["present"], form.cleaned_data["new"])
        except services.PasswordRefused as error:
            field = str(error.fields["field"])
            form.add_error(field, REASONS[field]())
        except ValidationError as error:
            form.add_error("new", error)
        else:
            update_session_auth_hash(request, staff)
            messages.success(request, _("The password is changed."))
            return redirect("/")
    context = {"form": form, "first": staff.must_change_password}
    return render(request, "access/change_password.html", context, status=200 if request.method != "POST" else 422)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    if not isinstance(request.user, Staff):
        return redirect(settings.LOGIN_URL)  # and no session is made for the words of farewell
    services.sign_out(request.user)
    language = request.user.language
    logout(request)
    with override(language):
        messages.info(request, _("You have signed out."))
    return redirect(settings.LOGIN_URL)
