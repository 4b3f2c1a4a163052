"""Create the ledger's tables and functions."""

from django.db import migrations

from senim.ledger.schema import schema_sql

REVERSE = """
DROP FUNCTION ledger_digest(ledger_transfer), ledger_digest(ledger_account);
DROP FUNCTION ledger_post_plain(
    uuid[], bigint[], bigint[], integer, uuid[], uuid[], uuid[], bigint[], bigint[], bigint[], uuid[], bigint[],
    bigint[], boolean
);
DROP FUNCTION ledger_touch(uuid[], bigint[], bigint[], integer, bigint), ledger_take_timestamps(bigint), ledger_now();
DROP TABLE ledger_tick, ledger_entry, ledger_seal, ledger_history;
DROP TABLE ledger_pending, ledger_transfer, ledger_balance, ledger_account;
DROP SEQUENCE ledger_clock;
"""


class Migration(migrations.Migration):
    """The tables live in SQL, which is where their storage can be said exactly."""

    initial = True
    dependencies = []
    operations = [migrations.RunSQL(schema_sql(), REVERSE)]
