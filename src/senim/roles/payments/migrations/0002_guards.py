"""What Django's models cannot say: the sequence of codes, operations that never change, room for counters in place."""

from django.db import migrations

CODES = "CREATE SEQUENCE payments_participant_code AS integer MINVALUE 1 MAXVALUE 99999 NO CYCLE"

# An operation is its own event and payment document (EM-55.11, PS-7.5.6): once written, it stays as it was.
GUARD = """
CREATE FUNCTION payments_operation_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'operations are never changed or removed' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER payments_operation_is_final BEFORE UPDATE OR DELETE ON payments_operation
    FOR EACH ROW EXECUTE FUNCTION payments_operation_is_final();
"""
UNGUARD = """
DROP TRIGGER payments_operation_is_final ON payments_operation;
DROP FUNCTION payments_operation_is_final();
"""

# The counters of the running minute are rewritten by every batch: half-empty pages let that happen in place (HOT).
ROOM = "ALTER TABLE payments_operationminute SET (fillfactor = 50, autovacuum_vacuum_cost_delay = 0)"
NO_ROOM = "ALTER TABLE payments_operationminute RESET (fillfactor, autovacuum_vacuum_cost_delay)"


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [
        migrations.RunSQL(CODES, "DROP SEQUENCE payments_participant_code"),
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.RunSQL(ROOM, NO_ROOM),
    ]
