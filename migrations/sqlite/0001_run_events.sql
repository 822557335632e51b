-- The audit trail. Rows are only ever added: triggers refuse UPDATE, DELETE and REPLACE, and each row carries a keyed
-- hash over itself and the row before it of the same writer (`bulkhead audit verify` walks them).
CREATE TABLE ops.audit_writers (
    writer      TEXT PRIMARY KEY,          -- UUIDv7 of a hub process
    started_at  TEXT NOT NULL,
    parent      TEXT,                      -- the newest row of any writer when this one started,
    parent_hash BLOB                       -- and its hash: a chain cannot be removed without leaving a gap
) STRICT;

CREATE TABLE ops.run_events (
    id             TEXT PRIMARY KEY,       -- UUIDv7, the call's id
    provider       TEXT,
    tool           TEXT,                   -- tool, resource URI or prompt; null for a health check
    caller_id      TEXT,                   -- null: not authenticated, or the hub itself
    caller_role    TEXT,
    payload        TEXT,                   -- JSON
    result         TEXT,                   -- JSON
    error          TEXT,
    duration_ms    INTEGER NOT NULL,
    hostname       TEXT,                   -- upstream hosts called, comma-separated
    created_at     TEXT NOT NULL,          -- RFC 3339, UTC, milliseconds
    outcome        TEXT NOT NULL,
    error_code     TEXT,
    operation      TEXT NOT NULL,
    surface        TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    team           TEXT,
    revision       TEXT,                   -- SHA-256 of the component that ran
    writer         TEXT NOT NULL REFERENCES audit_writers (writer),
    seq            INTEGER NOT NULL,
    hash           BLOB NOT NULL,
    UNIQUE (writer, seq)
) STRICT;

CREATE INDEX ops.run_events_by_provider ON run_events (provider, created_at DESC);
CREATE INDEX ops.run_events_by_caller ON run_events (caller_id, created_at DESC);
CREATE INDEX ops.run_events_by_tool ON run_events (provider, tool, created_at DESC);

-- Written before a scan or write runs. One without an event is an operation that a crash interrupted.
CREATE TABLE ops.run_intents (
    id             TEXT PRIMARY KEY,       -- the call's id
    provider       TEXT NOT NULL,
    tool           TEXT NOT NULL,
    caller_id      TEXT,
    caller_role    TEXT,
    payload        TEXT,
    surface        TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    team           TEXT,
    created_at     TEXT NOT NULL,
    writer         TEXT NOT NULL REFERENCES audit_writers (writer)
) STRICT;

CREATE INDEX ops.run_intents_by_writer ON run_intents (writer);

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

CREATE TRIGGER ops.run_events_no_update BEFORE UPDATE ON run_events
BEGIN SELECT RAISE(ABORT, 'ops.run_events is append-only'); END;
CREATE TRIGGER ops.run_events_no_delete BEFORE DELETE ON run_events
BEGIN SELECT RAISE(ABORT, 'ops.run_events is append-only'); END;
-- REPLACE removes the old row without a DELETE trigger, so it is caught before: by every key, and the rowid is one too.
CREATE TRIGGER ops.run_events_no_replace BEFORE INSERT ON run_events
WHEN EXISTS (
    SELECT 1 FROM run_events WHERE id = NEW.id OR rowid = NEW.rowid OR (writer = NEW.writer AND seq = NEW.seq)
)
BEGIN SELECT RAISE(ABORT, 'ops.run_events is append-only'); END;

CREATE TRIGGER ops.run_intents_no_update BEFORE UPDATE ON run_intents
BEGIN SELECT RAISE(ABORT, 'ops.run_intents is append-only'); END;
CREATE TRIGGER ops.run_intents_no_delete BEFORE DELETE ON run_intents
BEGIN SELECT RAISE(ABORT, 'ops.run_intents is append-only'); END;
CREATE TRIGGER ops.run_intents_no_replace BEFORE INSERT ON run_intents
WHEN EXISTS (SELECT 1 FROM run_intents WHERE id = NEW.id OR rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'ops.run_intents is append-only'); END;

CREATE TRIGGER ops.audit_writers_no_update BEFORE UPDATE ON audit_writers
BEGIN SELECT RAISE(ABORT, 'ops.audit_writers is append-only'); END;
CREATE TRIGGER ops.audit_writers_no_delete BEFORE DELETE ON audit_writers
BEGIN SELECT RAISE(ABORT, 'ops.audit_writers is append-only'); END;
CREATE TRIGGER ops.audit_writers_no_replace BEFORE INSERT ON audit_writers
WHEN EXISTS (SELECT 1 FROM audit_writers WHERE writer = NEW.writer OR rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'ops.audit_writers is append-only'); END;
