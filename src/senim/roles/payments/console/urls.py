"""Addresses of the payment system's pages, below ``/console/payments/``."""

import datetime as dt

from django.urls import path, register_converter

from senim.kernel.registers.views import urls
from senim.roles.payments.console import accounts, dashboard, days, files, operations, participants


class DayConverter:
    """A day as YYYY-MM-DD."""

    regex = r"\d{4}-\d{2}-\d{2}"

    def to_python(self, value: str) -> dt.date:
        """The day; one that does not exist is no address (ValueError)."""
        return dt.date.fromisoformat(value)

    def to_url(self, value: dt.date | str) -> str:
        """The day as it stands in an address."""
        return str(value)


register_converter(DayConverter, "day")

urlpatterns = [
    path("day", dashboard.page, name="dashboard"),
    path("day/live", dashboard.live, name="dashboard-live"),
    *urls(operations.REGISTER, "operations/"),
    path("operations/<uuid:operation_id>/", operations.detail, name="operation"),
    *urls(days.REGISTER, "days/"),
    path("days/<day:day>/", days.detail, name="day"),
    path("days/<day:day>/live", days.live, name="day-live"),
    path("days/<day:day>/close", days.close_form, name="day-close"),
    path("days/<day:day>/close/propose", days.propose_close, name="day-close-propose"),
    path("days/<day:day>/retry", days.retry, name="day-retry"),
    path("netting/", days.netting_now, name="netting-now"),
    path("netting/<day:day>/", days.netting, name="netting"),
    path("reports/<int:report_id>", days.report, name="report"),
    *urls(days.OBLIGATIONS, "obligations/"),
    *urls(days.INSTRUCTIONS, "settlement/"),
    *urls(files.REGISTER, "files/"),
    path("files/upload", files.upload, name="file-upload"),
    path("files/<uuid:file_id>/", files.detail, name="file"),
    path("files/<uuid:file_id>/live", files.live, name="file-live"),
    path("files/<uuid:file_id>/download", files.download, name="file-download"),
    *urls(participants.REGISTER, "participants/"),
    path("participants/new", participants.new, name="participant-new"),
    path("participants/<str:code>/", participants.detail, name="participant"),
    *urls(accounts.REGISTER, "accounts/"),
    path("accounts/<str:number>/", accounts.detail, name="account"),
]
