-- The audit trail. Entries are only ever added: triggers refuse UPDATE, DELETE and REPLACE, and each entry is sealed into its
-- writer's chain, whose heads are signed (docs/audit-format.md; `bulkhead audit verify` walks them). Ids and hashes are bytes
-- and times milliseconds since 1970, because a trail is large; the view `events` shows them as text.

-- A writer is a hub process. Its number stands for it in positions.
CREATE TABLE ops.audit_writers (
    number INTEGER PRIMARY KEY,
    writer BLOB NOT NULL UNIQUE            -- UUIDv7
) STRICT;

-- The position of an entry is its writer's number × 2^40 + its number in that writer's chain: so no index is needed for that.
CREATE TABLE ops.run_events (
    position       INTEGER PRIMARY KEY,
    id             BLOB NOT NULL UNIQUE,   -- UUIDv7, the call's id
    provider       TEXT,
    tool           TEXT,                   -- tool, resource URI or prompt; null for a health check
    caller_id      BLOB,                   -- null: not authenticated, or the hub itself
    caller_role    TEXT,
    payload        TEXT,                   -- JSON
    payload_salt   BLOB,
    payload_digest BLOB,                   -- where the payload is not kept
    result         TEXT,                   -- JSON
    result_salt    BLOB,
    result_digest  BLOB,
    error          TEXT,
    duration_ms    INTEGER NOT NULL,
    hostname       TEXT,                   -- upstream hosts called, comma-separated
    created_at     INTEGER NOT NULL,       -- when the call began
    recorded_at    INTEGER NOT NULL,       -- when its row was committed
    outcome        TEXT NOT NULL,
    error_code     TEXT,
    operation      TEXT NOT NULL,
    surface        TEXT NOT NULL,
    correlation_id ANY,                    -- as bytes if it is a UUID; null if it is `id`
    team           TEXT,
    revision       ANY,                    -- SHA-256 of component and config that ran, as bytes
    replays        BLOB,                   -- the failed call that it issued again
    times          INTEGER NOT NULL CHECK (times >= 1), -- how many operations it stands for
    digests_only   INTEGER,                -- what is not kept because the config says so: 1 payload, 2 result, 3 both
    upstream_requests INTEGER,             -- null: none
    upstream_bytes INTEGER,                -- of those requests and what came back
    cost           TEXT,                   -- JSON: millionths by unit, as the provider reports it
    severity       TEXT                    -- of the worst finding in the result
) STRICT;

-- Written before a scan or write runs. One without an event is an operation that a crash interrupted.
CREATE TABLE ops.run_intents (
    position       INTEGER PRIMARY KEY,
    id             BLOB NOT NULL UNIQUE,   -- the call's id
    provider       TEXT NOT NULL,
    tool           TEXT NOT NULL,
    caller_id      BLOB,
    caller_role    TEXT,
    payload        TEXT,
    payload_salt   BLOB,
    payload_digest BLOB,
    surface        TEXT NOT NULL,
    correlation_id ANY,
    team           TEXT,
    created_at     INTEGER NOT NULL,
    recorded_at    INTEGER NOT NULL,
    digests_only   INTEGER,
    replays        BLOB                    -- the failed call that this one issues again
) STRICT;

-- What hubs state of the trail itself.
CREATE TABLE ops.audit_statements (
    position    INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL,
    body        TEXT NOT NULL,             -- JSON
    recorded_at INTEGER NOT NULL
) STRICT;

-- The head after each commit, signed.
CREATE TABLE ops.audit_batches (
    position  INTEGER PRIMARY KEY,         -- of its last entry
    head      BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- Which heads statements of other writers name, so that nobody has to read all statements to find those that none does.
CREATE TABLE ops.audit_ties (
    position  INTEGER NOT NULL,            -- the entry that is named
    statement INTEGER NOT NULL,            -- the position of the statement
    PRIMARY KEY (position, statement)
) STRICT, WITHOUT ROWID;

-- Sums of the events, by the hour, added to with each commit: `bulkhead audit verify` adds them up again. Each writer has its own,
-- so that hubs do not wait for each other. In the order in which they are asked for.
CREATE TABLE ops.usage_rollups (
    hour              INTEGER NOT NULL,    -- hours since 1970, by the time of recording
    writer            INTEGER NOT NULL,    -- its number
    provider          TEXT NOT NULL,       -- here and below, empty: none
    tool              TEXT NOT NULL,
    caller_id         BLOB NOT NULL,       -- zeros: nobody
    team              TEXT NOT NULL,
    outcome           TEXT NOT NULL,
    unit              TEXT NOT NULL,       -- of the cost; empty for everything else
    calls             INTEGER NOT NULL,
    duration_ms       INTEGER NOT NULL,
    upstream_requests INTEGER NOT NULL,
    upstream_bytes    INTEGER NOT NULL,
    cost              INTEGER NOT NULL,    -- millionths of the unit
    PRIMARY KEY (hour, writer, provider, tool, caller_id, team, outcome, unit)
) STRICT, WITHOUT ROWID;

-- Pages of the trail, newest first.
CREATE INDEX ops.run_events_by_time ON run_events (recorded_at);
-- The same of a caller, and of a tool. Those of a provider are found by time.
CREATE INDEX ops.run_events_by_caller ON run_events (caller_id, recorded_at) WHERE caller_id IS NOT NULL;
CREATE INDEX ops.run_events_by_tool ON run_events (tool, recorded_at) WHERE tool IS NOT NULL;
-- Which archives there are, of statements that mostly are checkpoints.
CREATE INDEX ops.audit_statements_of_archives ON audit_statements (position) WHERE kind = 'archive';
-- What belongs to one request, beside the operation that has its id.
CREATE INDEX ops.run_events_by_correlation ON run_events (correlation_id) WHERE correlation_id IS NOT NULL;

-- What upstreams last said is left of their own quotas, as providers report it.
CREATE TABLE ops.provider_quotas (
    provider    TEXT NOT NULL,
    name        TEXT NOT NULL,             -- which of the upstream's quotas
    quota_limit INTEGER,
    remaining   INTEGER NOT NULL,
    resets_at   TEXT,                      -- RFC 3339
    observed_at TEXT NOT NULL,
    PRIMARY KEY (provider, name)
) STRICT;

-- The events for people.
CREATE VIEW ops.events AS
SELECT
    e.position,
    lower(substr(hex(e.id), 1, 8) || '-' || substr(hex(e.id), 9, 4) || '-' || substr(hex(e.id), 13, 4) || '-'
        || substr(hex(e.id), 17, 4) || '-' || substr(hex(e.id), 21)) AS id,
    e.provider, e.tool,
    CASE WHEN e.caller_id IS NOT NULL THEN
        lower(substr(hex(e.caller_id), 1, 8) || '-' || substr(hex(e.caller_id), 9, 4) || '-'
        || substr(hex(e.caller_id), 13, 4) || '-' || substr(hex(e.caller_id), 17, 4) || '-'
        || substr(hex(e.caller_id), 21)) END AS caller_id,
    e.caller_role, e.payload, e.result, e.error, e.duration_ms, e.hostname,
    strftime('%Y-%m-%dT%H:%M:%S', e.created_at / 1000, 'unixepoch') || printf('.%03dZ', e.created_at % 1000) AS created_at,
    strftime('%Y-%m-%dT%H:%M:%S', e.recorded_at / 1000, 'unixepoch') || printf('.%03dZ', e.recorded_at % 1000)
        AS recorded_at,
    e.outcome, e.error_code, e.operation, e.surface,
    CASE typeof(coalesce(e.correlation_id, e.id)) WHEN 'blob' THEN
        lower(substr(hex(coalesce(e.correlation_id, e.id)), 1, 8) || '-' || substr(hex(coalesce(e.correlation_id, e.id)), 9, 4) || '-'
        || substr(hex(coalesce(e.correlation_id, e.id)), 13, 4) || '-' || substr(hex(coalesce(e.correlation_id, e.id)), 17, 4) || '-'
        || substr(hex(coalesce(e.correlation_id, e.id)), 21)) ELSE e.correlation_id END AS correlation_id,
    e.team,
    CASE typeof(e.revision) WHEN 'blob' THEN lower(hex(e.revision)) ELSE e.revision END AS revision,
    CASE WHEN e.replays IS NOT NULL THEN
        lower(substr(hex(e.replays), 1, 8) || '-' || substr(hex(e.replays), 9, 4) || '-'
        || substr(hex(e.replays), 13, 4) || '-' || substr(hex(e.replays), 17, 4) || '-'
        || substr(hex(e.replays), 21)) END AS replays,
    e.times, e.upstream_requests, e.upstream_bytes, e.cost, e.severity,
    lower(substr(hex(w.writer), 1, 8) || '-' || substr(hex(w.writer), 9, 4) || '-' || substr(hex(w.writer), 13, 4) || '-'
        || substr(hex(w.writer), 17, 4) || '-' || substr(hex(w.writer), 21)) AS writer,
    e.position & 1099511627775 AS seq
FROM run_events e LEFT JOIN audit_writers w ON w.number = e.position >> 40;

-- REPLACE removes the old row without a DELETE trigger, so it is caught before, by every key.
CREATE TRIGGER ops.run_events_no_update BEFORE UPDATE ON run_events BEGIN SELECT RAISE(ABORT, 'ops.run_events is append-only'); END;
CREATE TRIGGER ops.run_events_no_delete BEFORE DELETE ON run_events BEGIN SELECT RAISE(ABORT, 'ops.run_events is append-only'); END;
CREATE TRIGGER ops.run_events_no_replace BEFORE INSERT ON run_events
WHEN EXISTS (SELECT 1 FROM run_events WHERE id = NEW.id OR position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'ops.run_events is append-only'); END;
CREATE TRIGGER ops.run_intents_no_update BEFORE UPDATE ON run_intents BEGIN SELECT RAISE(ABORT, 'ops.run_intents is append-only'); END;
CREATE TRIGGER ops.run_intents_no_delete BEFORE DELETE ON run_intents BEGIN SELECT RAISE(ABORT, 'ops.run_intents is append-only'); END;
CREATE TRIGGER ops.run_intents_no_replace BEFORE INSERT ON run_intents
WHEN EXISTS (SELECT 1 FROM run_intents WHERE id = NEW.id OR position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'ops.run_intents is append-only'); END;
CREATE TRIGGER ops.audit_writers_no_update BEFORE UPDATE ON audit_writers BEGIN SELECT RAISE(ABORT, 'ops.audit_writers is append-only'); END;
CREATE TRIGGER ops.audit_writers_no_delete BEFORE DELETE ON audit_writers BEGIN SELECT RAISE(ABORT, 'ops.audit_writers is append-only'); END;
CREATE TRIGGER ops.audit_writers_no_replace BEFORE INSERT ON audit_writers
WHEN EXISTS (SELECT 1 FROM audit_writers WHERE number = NEW.number OR writer = NEW.writer)
BEGIN SELECT RAISE(ABORT, 'ops.audit_writers is append-only'); END;
CREATE TRIGGER ops.audit_statements_no_update BEFORE UPDATE ON audit_statements BEGIN SELECT RAISE(ABORT, 'ops.audit_statements is append-only'); END;
CREATE TRIGGER ops.audit_statements_no_delete BEFORE DELETE ON audit_statements BEGIN SELECT RAISE(ABORT, 'ops.audit_statements is append-only'); END;
CREATE TRIGGER ops.audit_statements_no_replace BEFORE INSERT ON audit_statements
WHEN EXISTS (SELECT 1 FROM audit_statements WHERE position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'ops.audit_statements is append-only'); END;
CREATE TRIGGER ops.audit_batches_no_update BEFORE UPDATE ON audit_batches BEGIN SELECT RAISE(ABORT, 'ops.audit_batches is append-only'); END;
CREATE TRIGGER ops.audit_batches_no_delete BEFORE DELETE ON audit_batches BEGIN SELECT RAISE(ABORT, 'ops.audit_batches is append-only'); END;
CREATE TRIGGER ops.audit_batches_no_replace BEFORE INSERT ON audit_batches
WHEN EXISTS (SELECT 1 FROM audit_batches WHERE position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'ops.audit_batches is append-only'); END;
CREATE TRIGGER ops.audit_ties_no_update BEFORE UPDATE ON audit_ties BEGIN SELECT RAISE(ABORT, 'ops.audit_ties is append-only'); END;
CREATE TRIGGER ops.audit_ties_no_delete BEFORE DELETE ON audit_ties BEGIN SELECT RAISE(ABORT, 'ops.audit_ties is append-only'); END;
CREATE TRIGGER ops.audit_ties_no_replace BEFORE INSERT ON audit_ties
WHEN EXISTS (SELECT 1 FROM audit_ties WHERE position = NEW.position AND statement = NEW.statement)
BEGIN SELECT RAISE(ABORT, 'ops.audit_ties is append-only'); END;
