"""Addresses of the exchange with other organisations."""

from django.urls import path

from senim.kernel.delivery import views

app_name = "delivery"

urlpatterns = [
    path("delivery/v1/messages", views.messages, name="messages"),
    path("delivery/v1/keys", views.public_keys, name="keys"),
]
