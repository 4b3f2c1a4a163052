"""The queries by which ``verify`` recomputes balances and pending transfers."""

from typing import Final

CREATE_SUMS: Final = (
    "CREATE TEMPORARY TABLE ledger_sums (account_id uuid, debits_pending numeric, debits_posted numeric, "
    "credits_pending numeric, credits_posted numeric) ON COMMIT DROP"
)
# What the transfers of a range add to their accounts. 2 is pending, 8 is void: neither posts.
ADD_SUMS: Final = """
INSERT INTO ledger_sums
SELECT s.account_id, sum(s.debits_pending), sum(s.debits_posted), sum(s.credits_pending), sum(s.credits_posted)
FROM ledger_transfer t
LEFT JOIN ledger_pending p ON t.flags & 2 <> 0 AND p.transfer_id = t.id AND p.status = 0
CROSS JOIN LATERAL (
    SELECT CASE WHEN p.transfer_id IS NULL THEN 0 ELSE t.amount END AS held,
           CASE WHEN t.flags & 10 = 0 THEN t.amount ELSE 0 END AS posted
) a
CROSS JOIN LATERAL (VALUES
    (t.debit_account_id, a.held, a.posted, 0::bigint, 0::bigint),
    (t.credit_account_id, 0::bigint, 0::bigint, a.held, a.posted)
) AS s (account_id, debits_pending, debits_posted, credits_pending, credits_posted)
WHERE t."timestamp" > %s AND t."timestamp" <= %s AND t.failed_status IS NULL
GROUP BY s.account_id
"""
# Pairs of (stored, recomputed). An account is closed (32) if it was created so, or by a pending closing transfer
# (64 debit, 128 credit) that was neither voided nor expired.
BALANCES: Final = """
WITH closed AS (
    SELECT DISTINCT s.account_id FROM ledger_pending p
    CROSS JOIN LATERAL (VALUES (p.debit_account_id, 64), (p.credit_account_id, 128)) AS s (account_id, flag)
    WHERE p.flags & s.flag <> 0 AND p.status IN (0, 1)
), wanted AS (
    SELECT account_id, sum(debits_pending) AS debits_pending, sum(debits_posted) AS debits_posted,
           sum(credits_pending) AS credits_pending, sum(credits_posted) AS credits_posted
    FROM ledger_sums GROUP BY account_id
), compared AS (
    SELECT coalesce(b.account_id, w.account_id, a.id) AS account_id,
           b.debits_pending AS dp, coalesce(w.debits_pending, 0) AS wdp,
           b.debits_posted AS dt, coalesce(w.debits_posted, 0) AS wdt,
           b.credits_pending AS cp, coalesce(w.credits_pending, 0) AS wcp,
           b.credits_posted AS ct, coalesce(w.credits_posted, 0) AS wct,
           b.ledger AS l, a.ledger AS wl,
           b.flags AS f, (a.flags::integer | CASE WHEN c.account_id IS NULL THEN 0 ELSE 32 END)::smallint AS wf
    FROM ledger_balance b
    FULL JOIN ledger_account a ON a.id = b.account_id
    FULL JOIN wanted w ON w.account_id = coalesce(b.account_id, a.id)
    LEFT JOIN closed c ON c.account_id = coalesce(b.account_id, a.id)
)
SELECT account_id, dp::text, wdp::text, dt::text, wdt::text, cp::text, wcp::text, ct::text, wct::text,
       l::text, wl::text, f::text, wf::text
FROM compared
WHERE (dp, dt, cp, ct, l, f) IS DISTINCT FROM (wdp, wdt, wcp, wct, wl, wf)
ORDER BY account_id LIMIT 1000
"""
UNSEALED_BETWEEN: Final = """
SELECT t.id, t."timestamp" FROM ledger_transfer t
WHERE t."timestamp" > %s AND t.debit_account_id = ANY (%b) AND t.credit_account_id = ANY (%b)
ORDER BY t."timestamp" LIMIT 1000
"""
PENDINGS: Final = """
WITH resolution AS (
    SELECT t.pending_id, count(*) AS times, bit_or(t.flags & 12) AS flags, max(t."timestamp") AS moment
    FROM ledger_transfer t WHERE t.pending_id IS NOT NULL GROUP BY t.pending_id
), pending AS (
    SELECT t.id, t."timestamp", t.amount, t.debit_account_id, t.credit_account_id, t.flags,
           CASE WHEN coalesce(t.timeout, 0) = 0 THEN NULL
                ELSE t."timestamp" + (t.timeout::bigint & 4294967295) * 1000000000 END AS expires_at
    FROM ledger_transfer t WHERE t.flags & 2 <> 0
), problem AS (
    SELECT coalesce(p.transfer_id, t.id) AS id, CASE
        WHEN p.transfer_id IS NULL THEN 'its state was removed'
        WHEN t.id IS NULL THEN 'there is no such pending transfer'
        WHEN (p."timestamp", p.amount, p.debit_account_id, p.credit_account_id, p.flags, p.expires_at)
             IS DISTINCT FROM (t."timestamp", t.amount, t.debit_account_id, t.credit_account_id, t.flags, t.expires_at)
             THEN 'differs from its transfer'
        WHEN r.times > 1 THEN 'resolved more than once'
        WHEN r.times IS NULL AND p.status IN (1, 2) THEN 'resolved without a transfer that does so'
        WHEN r.times = 1 AND p.status NOT IN (1, 2) THEN 'its resolution is not in its state'
        WHEN p.status = 1 AND r.flags <> 4 OR p.status = 2 AND r.flags <> 8 THEN 'posted and voided are confused'
        WHEN r.times = 1 AND p.resolved_at IS DISTINCT FROM r.moment THEN 'resolved at another moment'
        WHEN p.status = 3 AND (p.expires_at IS NULL OR p.resolved_at IS NULL OR p.resolved_at < p.expires_at)
             THEN 'expired before its time'
        WHEN p.status = 0 AND p.resolved_at IS NOT NULL THEN 'still pending, yet resolved'
        WHEN p.status NOT BETWEEN 0 AND 3 THEN 'has no such state'
        END AS detail
    FROM pending t FULL JOIN ledger_pending p ON p.transfer_id = t.id
    LEFT JOIN resolution r ON r.pending_id = coalesce(p.transfer_id, t.id)
)
SELECT id, detail FROM problem WHERE detail IS NOT NULL ORDER BY id LIMIT 1000
"""
# The running balances of accounts with history: what each transfer and each expiry did, summed in order.
HISTORY: Final = """
WITH kept AS (SELECT id FROM ledger_account WHERE flags & 8 <> 0),
effect AS (
    SELECT s.account_id, t."timestamp", true AS is_transfer,
           s.is_debit,
           CASE WHEN t.flags & 2 <> 0 THEN t.amount WHEN t.flags & 12 <> 0 THEN -p.amount ELSE 0 END AS held,
           CASE WHEN t.flags & 10 = 0 THEN t.amount ELSE 0 END AS posted
    FROM ledger_transfer t
    LEFT JOIN ledger_pending p ON p.transfer_id = t.pending_id
    CROSS JOIN LATERAL (VALUES (t.debit_account_id, true), (t.credit_account_id, false)) AS s (account_id, is_debit)
    WHERE s.account_id IN (SELECT id FROM kept) AND t.failed_status IS NULL
    UNION ALL
    SELECT s.account_id, p.resolved_at, false, s.is_debit, -p.amount, 0
    FROM ledger_pending p
    CROSS JOIN LATERAL (VALUES (p.debit_account_id, true), (p.credit_account_id, false)) AS s (account_id, is_debit)
    WHERE p.status = 3 AND s.account_id IN (SELECT id FROM kept)
), running AS (
    SELECT account_id, "timestamp", is_transfer,
           sum(held) FILTER (WHERE is_debit) OVER w AS dp, sum(posted) FILTER (WHERE is_debit) OVER w AS dt,
           sum(held) FILTER (WHERE NOT is_debit) OVER w AS cp, sum(posted) FILTER (WHERE NOT is_debit) OVER w AS ct
    FROM effect WINDOW w AS (PARTITION BY account_id ORDER BY "timestamp" ROWS UNBOUNDED PRECEDING)
)
SELECT coalesce(h.account_id, r.account_id), coalesce(h."timestamp", r."timestamp"), CASE
    WHEN h.account_id IS NULL THEN 'removed' WHEN r.account_id IS NULL THEN 'inserted' ELSE 'changed' END
FROM (SELECT * FROM running WHERE is_transfer) r
FULL JOIN ledger_history h ON h.account_id = r.account_id AND h."timestamp" = r."timestamp"
WHERE h.account_id IS NULL OR r.account_id IS NULL
OR (h.debits_pending, h.debits_posted, h.credits_pending, h.credits_posted)
   IS DISTINCT FROM (coalesce(r.dp, 0), coalesce(r.dt, 0), coalesce(r.cp, 0), coalesce(r.ct, 0))
ORDER BY 1, 2 LIMIT 1000
"""
# A sum of hashes that does not depend on order: which transfers touched which accounts, by the rows and by the index.
ENTRIES_WANTED: Final = """
SELECT count(*), bit_xor(hashint8extended(uuid_hash_extended(s.account_id, 0), uuid_hash_extended(t.id, 0)))
FROM ledger_transfer t
CROSS JOIN LATERAL (VALUES (t.debit_account_id), (t.credit_account_id)) AS s (account_id)
WHERE {in_seal}
"""
ENTRIES_STORED: Final = """
SELECT e.seal / %s, count(*),
       bit_xor(hashint8extended(uuid_hash_extended(e.account_id, 0), uuid_hash_extended(u.id, 0)))
FROM ledger_entry e CROSS JOIN LATERAL unnest(e.transfer_ids) AS u (id) GROUP BY 1
"""
