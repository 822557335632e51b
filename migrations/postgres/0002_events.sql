-- Events on their way to a broker or a webhook: written in the transaction of the row that they belong to, delivered afterwards,
-- kept for a while so that they can be delivered again, and then removed. This is no part of the trail.
CREATE TABLE ops.event_outbox (
    writer       uuid NOT NULL,            -- of the row in `run_events`
    seq          bigint NOT NULL,
    ordinal      int NOT NULL,             -- which of its events
    owner        uuid NOT NULL,            -- the writer that delivers it; one that is gone: whoever takes it over
    event        text NOT NULL,            -- a CloudEvent, JSON
    bytes        int NOT NULL,             -- of that
    recorded_at  timestamptz NOT NULL,     -- that of the row
    delivered_at timestamptz,              -- null: it waits
    replays      int NOT NULL DEFAULT 0,   -- how often somebody asked for it anew
    PRIMARY KEY (writer, seq, ordinal)
) WITH (fillfactor = 90);

-- What waits, oldest first, and how much it is.
CREATE INDEX event_outbox_waiting ON ops.event_outbox (owner, recorded_at, writer, seq, ordinal, bytes) WHERE delivered_at IS NULL;
-- What was delivered, oldest first.
CREATE INDEX event_outbox_delivered ON ops.event_outbox (delivered_at) WHERE delivered_at IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON ops.event_outbox TO bulkhead_hub;
