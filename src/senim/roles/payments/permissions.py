"""What may be allowed in the payment system, and to whom (EM-55.2)."""

from django.utils.translation import gettext_lazy as _

from senim.kernel.access.roles import AUDITOR, CONTROLLER, DUTY_OFFICER, declare

READERS = frozenset({DUTY_OFFICER, CONTROLLER, AUDITOR})

VIEW_DAY = declare("payments.view_day", _("See the operating day"), to=READERS)
VIEW_OPERATIONS = declare("payments.view_operations", _("See operations"), to=READERS)
VIEW_PARTICIPANTS = declare("payments.view_participants", _("See participants and customer accounts"), to=READERS)
REGISTER_PARTICIPANT = declare("payments.register_participant", _("Register a participant"), to={DUTY_OFFICER})
APPROVE_PARTICIPANT = declare("payments.approve_participant", _("Approve a participant"), to={CONTROLLER})
VIEW_FILES = declare("payments.view_files", _("See files"), to=READERS)
UPLOAD_FILE = declare("payments.upload_file", _("Upload a file for a participant"), to={DUTY_OFFICER})
VIEW_SETTLEMENT = declare("payments.view_settlement", _("See netting and settlement"), to=READERS)
CLOSE_DAY = declare("payments.close_day", _("Propose to close the operating day"), to={DUTY_OFFICER})
CONFIRM_CLOSE_DAY = declare("payments.confirm_close_day", _("Confirm the close of the operating day"), to={CONTROLLER})
RETRY_SETTLEMENT = declare(
    "payments.retry_settlement", _("Send refused settlement instructions again"), to={DUTY_OFFICER}
)
