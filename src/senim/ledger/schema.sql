-- The ledger's tables and the few functions that must run beside the data.
-- Works in any schema (search_path); nothing beyond PostgreSQL 15 core and plpgsql.
-- u128 is uuid (its 16 bytes, big-endian); u64, u32 and u16 are bigint, integer and smallint in two's complement.

-- What an account is; never changes. Balances live apart so that posting rewrites narrow rows only.
CREATE TABLE ledger_account (
    id uuid PRIMARY KEY,
    "timestamp" bigint NOT NULL UNIQUE,
    user_data_64 bigint NOT NULL,
    ledger integer NOT NULL,
    user_data_32 integer NOT NULL,
    code smallint NOT NULL,
    flags smallint NOT NULL,
    user_data_128 uuid NOT NULL
);

-- What an account holds. Pages are left half empty so that an update finds room in its own page (HOT) and no index
-- is touched.
CREATE TABLE ledger_balance (
    account_id uuid PRIMARY KEY,
    debits_pending bigint NOT NULL,
    debits_posted bigint NOT NULL,
    credits_pending bigint NOT NULL,
    credits_posted bigint NOT NULL,
    ledger integer NOT NULL,
    flags smallint NOT NULL
) WITH (fillfactor = 45, autovacuum_vacuum_cost_delay = 0);

-- Every transfer, and (failed_status not null) every id that a transient refusal used up: one index then answers both
-- questions about an id. Optional columns are null for zero, which keeps the common row short.
-- Not partitioned: PostgreSQL keeps an id unique within a partition only, and the id is the promise of idempotency.
CREATE TABLE ledger_transfer (
    "timestamp" bigint NOT NULL,
    amount bigint,
    user_data_64 bigint,
    user_data_32 integer,
    timeout integer,
    ledger integer,
    code smallint,
    flags smallint,
    failed_status smallint,
    id uuid NOT NULL,
    debit_account_id uuid,
    credit_account_id uuid,
    pending_id uuid,
    user_data_128 uuid,
    PRIMARY KEY (id)
);
-- Rows arrive in the order of their timestamps, so this index grows at its right edge only.
CREATE INDEX ledger_transfer_timestamp ON ledger_transfer ("timestamp");
-- The used-up ids are few and have a chain of their own.
CREATE INDEX ledger_transfer_refused ON ledger_transfer ("timestamp") WHERE failed_status IS NOT NULL;

-- What became of each pending transfer (PendingStatus: 0 pending, 1 posted, 2 voided, 3 expired).
CREATE TABLE ledger_pending (
    transfer_id uuid PRIMARY KEY,
    "timestamp" bigint NOT NULL,
    amount bigint NOT NULL,
    expires_at bigint,
    resolved_at bigint,
    flags smallint NOT NULL,
    status smallint NOT NULL,
    debit_account_id uuid NOT NULL,
    credit_account_id uuid NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX ledger_pending_due ON ledger_pending (expires_at) WHERE status = 0 AND expires_at IS NOT NULL;

-- Balances after each transfer, for accounts flagged "history".
CREATE TABLE ledger_history (
    account_id uuid NOT NULL,
    "timestamp" bigint NOT NULL,
    debits_pending bigint NOT NULL,
    debits_posted bigint NOT NULL,
    credits_pending bigint NOT NULL,
    credits_posted bigint NOT NULL,
    PRIMARY KEY (account_id, "timestamp")
);

-- The hash chain: one row seals the rows of a range of timestamps. `leaves` is 16 bytes per sealed row: its timestamp
-- and the first 8 bytes of its digest, so that a change is traced to its row; `root` binds the whole digests.
CREATE TABLE ledger_seal (
    kind smallint NOT NULL,  -- 0 accounts, 1 transfers, 2 ids used up by refusals
    number bigint NOT NULL,
    timestamp_first bigint NOT NULL,
    timestamp_last bigint NOT NULL,
    frontier bigint NOT NULL,
    row_count integer NOT NULL,
    leaves bytea NOT NULL,
    previous bytea NOT NULL,
    root bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, number)
);
ALTER TABLE ledger_seal ALTER COLUMN leaves SET STORAGE EXTERNAL;

-- Where the sealing stood when it last looked: the clock, and the number of a transaction begun after that reading.
-- Once every transaction below that number has ended, no row with a timestamp up to that clock can still appear.
CREATE TABLE ledger_tick (
    id smallint PRIMARY KEY DEFAULT 0 CHECK (id = 0),
    clock bigint NOT NULL,
    transaction xid8 NOT NULL,
    -- Up to where each kind is sealed whole, also where nothing new was found to seal: by kind, from index 1.
    reached bigint[] NOT NULL DEFAULT '{0,0,0}'
);

-- Which transfers touched an account, one row per account and seal: built behind the posting, by the sealing.
CREATE TABLE ledger_entry (
    account_id uuid NOT NULL,
    seal bigint NOT NULL,
    timestamp_first bigint NOT NULL,
    timestamp_last bigint NOT NULL,
    transfer_ids uuid[] NOT NULL,
    PRIMARY KEY (account_id, seal)
);

-- The last timestamp given out (nanoseconds).
CREATE SEQUENCE ledger_clock MINVALUE 0 START 0;

CREATE FUNCTION ledger_now() RETURNS bigint LANGUAGE sql VOLATILE
    AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000 $$;

-- `count` fresh timestamps; returns the first. Called while the accounts are locked, so timestamps follow the order in
-- which writers held them. The lock is held for microseconds, not to the end of the transaction.
CREATE FUNCTION ledger_take_timestamps(count bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    clock constant oid := 'ledger_clock'::regclass;
    first bigint;
BEGIN
    -- A transaction gets its number before its timestamps: the sealing relies on it.
    PERFORM pg_current_xact_id();
    PERFORM pg_advisory_lock(7246, clock::int);
    BEGIN
        SELECT greatest(last_value + 1, ledger_now()) INTO first FROM ledger_clock;
        PERFORM setval(clock, first + count - 1);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(7246, clock::int);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(7246, clock::int);
    RETURN first;
END $$;

-- The short way for a batch of plain transfers: add the sums to the balances (rows locked in the order given), and
-- prove that every transfer of the batch succeeds in whatever order they came. Returns the first timestamp when
-- proven, 0 when the sums are in but each transfer needs its decision, -1 when nothing was changed.
CREATE FUNCTION ledger_touch(account_ids uuid[], debits bigint[], credits bigint[], expected_ledger integer, event_count bigint)
    RETURNS bigint LANGUAGE plpgsql
    -- A nested loop over the arrays takes the row locks in their order, which is the order every writer keeps.
    SET plan_cache_mode = force_generic_plan SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    touched bigint;
    doubtful bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7247, 'ledger_clock'::regclass::oid::int);
    -- Expired pending transfers must be released together with accounts of others: not here, where locks would then be
    -- taken out of their order.
    IF EXISTS (
        SELECT FROM ledger_pending p WHERE p.status = 0 AND p.expires_at <= ledger_now()
        AND (p.debit_account_id = ANY (account_ids) OR p.credit_account_id = ANY (account_ids))
    ) THEN
        RETURN -1;
    END IF;
    BEGIN
        WITH updated AS (
            UPDATE ledger_balance b
            SET debits_posted = b.debits_posted + d.debits, credits_posted = b.credits_posted + d.credits
            FROM unnest(account_ids, debits, credits) AS d (account_id, debits, credits)
            WHERE b.account_id = d.account_id
            RETURNING
                b.ledger <> expected_ledger
                -- 8: history, 32: closed
                OR b.flags & 40 <> 0
                -- 2: debits must not exceed credits, even if all debits came before all credits; 4: the reverse
                OR (b.flags & 2 <> 0 AND d.debits > 0 AND b.debits_pending + b.debits_posted > b.credits_posted - d.credits)
                OR (b.flags & 4 <> 0 AND d.credits > 0 AND b.credits_pending + b.credits_posted > b.debits_posted - d.debits)
                -- far below what the columns hold, so that the sums above cannot overflow
                OR b.debits_posted >= 1::bigint << 61 OR b.credits_posted >= 1::bigint << 61
                OR b.debits_pending >= 1::bigint << 61 OR b.credits_pending >= 1::bigint << 61
                AS is_doubtful
        )
        SELECT count(*), count(*) FILTER (WHERE is_doubtful) INTO touched, doubtful FROM updated;
    EXCEPTION WHEN numeric_value_out_of_range THEN
        RETURN -1;
    END;
    IF touched <> cardinality(account_ids) OR doubtful > 0 THEN
        RETURN 0;
    END IF;
    RETURN ledger_take_timestamps(event_count);
END $$;

-- The short way in one statement, for small batches: touch, and where that proves success, write the transfers.
-- Empty arrays are columns of nulls. Returns what ledger_touch returns, and 0 where an id is taken. With `is_alone` the
-- statement is the whole transaction, so where it would return 0 or less it fails instead and leaves nothing behind.
CREATE FUNCTION ledger_post_plain(
    account_ids uuid[], debits bigint[], credits bigint[], expected_ledger integer,
    ids uuid[], debit_account_ids uuid[], credit_account_ids uuid[], amounts bigint[], codes bigint[], all_flags bigint[],
    data_128 uuid[], data_64 bigint[], data_32 bigint[], is_alone boolean
) RETURNS bigint LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    first bigint := ledger_touch(account_ids, debits, credits, expected_ledger, cardinality(ids));
BEGIN
    IF first <= 0 AND is_alone THEN
        RAISE EXCEPTION USING ERRCODE = 'SL001', MESSAGE = 'ledger: the batch needs single decisions';
    ELSIF first <= 0 THEN
        RETURN first;
    END IF;
    BEGIN
        INSERT INTO ledger_transfer (
            "timestamp", amount, user_data_64, user_data_32, ledger, code, flags,
            id, debit_account_id, credit_account_id, user_data_128
        )
        SELECT first + e.position - 1, e.amount, e.data_64, e.data_32, expected_ledger, e.code, e.flags,
               e.id, e.debit_account_id, e.credit_account_id, e.data_128
        FROM unnest(
            ids, debit_account_ids, credit_account_ids, amounts, codes, all_flags, data_128, data_64, data_32
        ) WITH ORDINALITY AS e (
            id, debit_account_id, credit_account_id, amount, code, flags, data_128, data_64, data_32, position
        );
    EXCEPTION WHEN unique_violation THEN
        IF is_alone THEN
            RAISE;
        END IF;
        RETURN 0;
    END;
    RETURN first;
END $$;

-- The digests of the chain: SHA-256 over the columns in network byte order, nulls as zero.
CREATE FUNCTION ledger_digest(t ledger_transfer) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256(
        int8send(t."timestamp") || uuid_send(t.id)
        || uuid_send(coalesce(t.debit_account_id, '00000000-0000-0000-0000-000000000000'))
        || uuid_send(coalesce(t.credit_account_id, '00000000-0000-0000-0000-000000000000'))
        || int8send(coalesce(t.amount, 0))
        || uuid_send(coalesce(t.pending_id, '00000000-0000-0000-0000-000000000000'))
        || uuid_send(coalesce(t.user_data_128, '00000000-0000-0000-0000-000000000000'))
        || int8send(coalesce(t.user_data_64, 0)) || int4send(coalesce(t.user_data_32, 0))
        || int4send(coalesce(t.timeout, 0)) || int4send(coalesce(t.ledger, 0))
        || int2send(coalesce(t.code, 0::smallint)) || int2send(coalesce(t.flags, 0::smallint))
        || int2send(coalesce(t.failed_status, 0::smallint)))
$$;

CREATE FUNCTION ledger_digest(a ledger_account) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256(
        int8send(a."timestamp") || uuid_send(a.id) || uuid_send(a.user_data_128) || int8send(a.user_data_64)
        || int4send(a.user_data_32) || int4send(a.ledger) || int2send(a.code) || int2send(a.flags))
$$;
