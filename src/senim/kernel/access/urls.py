"""Addresses of the way in and out."""

from django.urls import path

from senim.kernel.access import views

app_name = "access"

urlpatterns = [
    path("console/sign-in", views.sign_in, name="sign_in"),
    path("console/password", views.change_password, name="password"),
    path("console/sign-out", views.sign_out, name="sign_out"),
]
