"""Addresses for participants' machines; the pages of the staff are the console's."""

from django.urls import path

from senim.roles.payments.api import api

urlpatterns = [path("payments/v1/", api.urls)]
