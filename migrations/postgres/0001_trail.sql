-- The audit trail in PostgreSQL. `bulkhead migrate` runs this as the owner of the schema; the hub itself connects as a member of
-- the role `bulkhead_hub`, which may add entries to the trail and can neither change nor remove one. Each entry is sealed into
-- its writer's chain, whose heads are signed (docs/audit-format.md; `bulkhead audit verify` walks them). Times are of whole
-- milliseconds.

-- A writer is a hub process.
CREATE TABLE ops.audit_writers (
    writer uuid PRIMARY KEY                    -- UUIDv7
);

CREATE TABLE ops.run_events (
    id             uuid PRIMARY KEY,           -- UUIDv7, the call's id
    provider       text,
    tool           text,                       -- tool, resource URI or prompt; null for a health check
    caller         uuid,                       -- the user, as it is sealed; null: not authenticated, or the hub itself
    caller_id      uuid GENERATED ALWAYS AS (caller) STORED, -- the same; on Supabase a reference to `auth.users`, which is not sealed
    caller_role    text,
    payload        jsonb,
    result         jsonb,
    error          text,
    duration_ms    int NOT NULL,
    hostname       text,                       -- upstream hosts called, comma-separated
    created_at     timestamptz NOT NULL,       -- when the call began
    recorded_at    timestamptz NOT NULL,       -- when its row was committed
    outcome        text NOT NULL,
    error_code     text,
    operation      text NOT NULL,
    surface        text NOT NULL,
    correlation_id text NOT NULL,
    team           text,
    revision       text,                       -- SHA-256 of component and config that ran, in hexadecimal digits
    replays        uuid,                       -- the failed call that it issued again
    times          bigint NOT NULL CHECK (times >= 1), -- how many operations it stands for
    payload_salt   bytea,
    payload_digest bytea,                      -- where the payload is not kept
    payload_kept   text,                       -- `digest` if the config wants no more of it
    result_salt    bytea,
    result_digest  bytea,
    result_kept    text,
    upstream_requests int,                     -- null: none
    upstream_bytes bigint,                     -- of those requests and what came back
    cost           text,                       -- JSON: millionths by unit, as the provider reports it
    severity       text,                       -- of the worst finding in the result
    writer         uuid NOT NULL,
    seq            bigint NOT NULL,            -- its number in the writer's chain
    UNIQUE (writer, seq)
);

-- Written before a scan or write runs. One without an event is an operation that a crash interrupted.
CREATE TABLE ops.run_intents (
    id             uuid PRIMARY KEY,           -- the call's id
    provider       text NOT NULL,
    tool           text NOT NULL,
    caller         uuid,
    caller_role    text,
    payload        jsonb,
    surface        text NOT NULL,
    correlation_id text NOT NULL,
    team           text,
    created_at     timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    payload_salt   bytea,
    payload_digest bytea,
    payload_kept   text,
    replays        uuid,                       -- the failed call that this one issues again
    writer         uuid NOT NULL,
    seq            bigint NOT NULL,
    UNIQUE (writer, seq)
);

-- What hubs state of the trail itself.
CREATE TABLE ops.audit_statements (
    writer      uuid NOT NULL,
    seq         bigint NOT NULL,
    kind        text NOT NULL,
    body        text NOT NULL,                 -- JSON
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (writer, seq)
);

-- The head after each commit, signed.
CREATE TABLE ops.audit_batches (
    writer    uuid NOT NULL,
    seq       bigint NOT NULL,                 -- of its last entry
    head      bytea NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (writer, seq)
);

-- Which heads statements of other writers name, so that nobody has to read all statements to find those that none does.
CREATE TABLE ops.audit_ties (
    writer           uuid NOT NULL,            -- the entry that is named
    seq              bigint NOT NULL,
    statement_writer uuid NOT NULL,            -- the statement that names it
    statement_seq    bigint NOT NULL,
    PRIMARY KEY (writer, seq, statement_writer, statement_seq)
);

-- Pages of the trail, newest first: WHERE ... ORDER BY recorded_at DESC, writer DESC, seq DESC LIMIT n. What is of one moment is
-- sorted, which is a commit or a few.
CREATE INDEX run_events_by_time ON ops.run_events (recorded_at DESC);
-- The same WHERE caller = ?, and WHERE provider = ? AND tool = ?.
CREATE INDEX run_events_pages_by_caller ON ops.run_events (caller, recorded_at DESC) WHERE caller IS NOT NULL;
CREATE INDEX run_events_pages_by_tool ON ops.run_events (provider, tool, recorded_at DESC) WHERE provider IS NOT NULL;
-- What belongs to one request: WHERE correlation_id = ?.
CREATE INDEX run_events_by_correlation ON ops.run_events (correlation_id);
-- What other programs ask for, such as clients of Supabase: WHERE provider = ? ORDER BY created_at DESC, the same of a caller and of
-- a tool. When a user is removed its rows are found by the second.
CREATE INDEX run_events_by_provider ON ops.run_events (provider, created_at DESC);
CREATE INDEX run_events_by_caller ON ops.run_events (caller_id, created_at DESC);
CREATE INDEX run_events_by_tool ON ops.run_events (provider, tool, created_at DESC);

-- Sums of the events, by the hour, added to with each commit: `bulkhead audit verify` adds them up again. Each writer has its own,
-- so that hubs do not wait for each other. In the order in which they are asked for.
CREATE TABLE ops.usage_rollups (
    hour              timestamptz NOT NULL,    -- when it begins, by the time of recording
    writer            uuid NOT NULL,
    provider          text NOT NULL,           -- here and below, empty: none
    tool              text NOT NULL,
    caller_id         uuid NOT NULL,           -- zeros: nobody
    team              text NOT NULL,
    outcome           text NOT NULL,
    unit              text NOT NULL,           -- of the cost; empty for everything else
    calls             bigint NOT NULL,
    duration_ms       bigint NOT NULL,
    upstream_requests bigint NOT NULL,
    upstream_bytes    bigint NOT NULL,
    cost              bigint NOT NULL,         -- millionths of the unit
    PRIMARY KEY (hour, writer, provider, tool, caller_id, team, outcome, unit)
) WITH (fillfactor = 80);

-- Who lives. A hub renews its lease with each commit and every few seconds; by the database's clock, for hubs have no other in
-- common. One whose lease has run out is dead once another hub has fenced it, which no writing gets past. This is no part of
-- the trail.
CREATE TABLE ops.audit_leases (
    writer     uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL,
    fenced_at  timestamptz                     -- it counts as dead: what it has announced is answered for it
);

-- What upstreams last said is left of their own quotas, as providers report it.
CREATE TABLE ops.provider_quotas (
    provider    text NOT NULL,
    name        text NOT NULL,                 -- which of the upstream's quotas
    quota_limit bigint,
    remaining   bigint NOT NULL,
    resets_at   text,                          -- RFC 3339
    observed_at timestamptz NOT NULL,
    PRIMARY KEY (provider, name)
);

-- Nobody changes an entry, the owner only on purpose.
CREATE FUNCTION ops.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS
$$ BEGIN RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME; END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.audit_writers
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.run_events
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.run_intents
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.audit_statements
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.audit_batches
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.audit_ties
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change();

-- Roles belong to the whole cluster: another database may have made it.
DO $$ BEGIN
    CREATE ROLE bulkhead_hub NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT USAGE ON SCHEMA ops TO bulkhead_hub;
GRANT SELECT ON ops.migrations TO bulkhead_hub;
GRANT SELECT, INSERT ON ops.audit_writers, ops.run_events, ops.run_intents, ops.audit_statements, ops.audit_batches,
    ops.audit_ties TO bulkhead_hub;
GRANT SELECT, INSERT, UPDATE ON ops.usage_rollups TO bulkhead_hub;
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.audit_leases, ops.provider_quotas TO bulkhead_hub;
