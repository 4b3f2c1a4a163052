"""Rows of the register are only ever added, and each new one joins the queue of the chain."""

from django.db import migrations

GUARD = """
CREATE FUNCTION events_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the register of events is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION events_queue_for_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events_unsealed (event_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER events_event_queue AFTER INSERT ON events_event FOR EACH ROW EXECUTE FUNCTION events_queue_for_seal();
"""
UNGUARD = """
DROP TRIGGER events_event_queue ON events_event;
DROP FUNCTION events_queue_for_seal();
DROP FUNCTION events_refuse_change() CASCADE;
"""


def guard(table: str) -> str:
    """Triggers that refuse any change of the rows of ``table``."""
    return f"""
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION events_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION events_refuse_change();
"""


class Migration(migrations.Migration):
    """Triggers on the event, seal and head tables."""

    dependencies = [("events", "0001_initial")]
    operations = [
        migrations.RunSQL(GUARD + guard("events_event") + guard("events_seal") + guard("events_head"), UNGUARD)
    ]
