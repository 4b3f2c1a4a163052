"""Addresses for participants' machines; the pages of the staff are the console's."""

from django.urls import path, re_path

from senim.roles.payments.api.files import api
from senim.roles.payments.centre.proxy import pass_through

urlpatterns = [path("payments/v1/", api.urls), re_path(r"^centre/v1/", pass_through)]
