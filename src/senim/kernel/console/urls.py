"""Addresses of the staff's pages: the shell's own, the kernel's registers, the roles' pages."""

from django.urls import include, path
from django.views.generic import RedirectView

from senim.kernel.console import own, pages, views

shell = [
    path("", views.home, name="home"),
    path("search", views.search, name="search"),
    path("language", views.language, name="language"),
    path("theme", views.theme, name="theme"),
    path("style", views.style, name="style"),
    *own.patterns(),
    *pages.patterns(),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="console:home"), name="front"),
    path("console/", include((shell, "console"))),
]
