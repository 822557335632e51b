-- Events on their way to a broker or a webhook: written in the transaction of the row that they belong to, delivered afterwards,
-- kept for a while so that they can be delivered again, and then removed. This is no part of the trail.
CREATE TABLE ops.event_outbox (
    position     INTEGER NOT NULL,         -- of the row in `run_events`
    ordinal      INTEGER NOT NULL,         -- which of its events
    owner        INTEGER NOT NULL,         -- number of the writer that delivers it; one that is gone: whoever takes it over
    event        TEXT NOT NULL,            -- a CloudEvent, JSON
    bytes        INTEGER NOT NULL,         -- of that
    recorded_at  INTEGER NOT NULL,         -- that of the row
    delivered_at INTEGER,                  -- null: it waits
    replays      INTEGER NOT NULL DEFAULT 0, -- how often somebody asked for it anew
    PRIMARY KEY (position, ordinal)
) STRICT;

-- What waits, oldest first, and how much it is.
CREATE INDEX ops.event_outbox_waiting ON event_outbox (owner, recorded_at, position, ordinal, bytes) WHERE delivered_at IS NULL;
-- What was delivered, oldest first.
CREATE INDEX ops.event_outbox_delivered ON event_outbox (delivered_at) WHERE delivered_at IS NOT NULL;
