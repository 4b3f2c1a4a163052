"""The payment system's work in the background; the worker looks for jobs in this module."""

from senim.roles.payments.jobs import days, files

__all__ = ["days", "files"]
