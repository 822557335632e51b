-- What admins have done to providers, until the config's section of that provider is changed. This is no part of the trail: what
-- was done when, and by whom, has rows there.
CREATE TABLE ops.provider_overrides (
    provider   TEXT NOT NULL,
    kind       TEXT NOT NULL,              -- disabled, rolled_back
    component  TEXT,                       -- SHA-256 of the component that serves instead, hexadecimal; null if it is disabled
    section    TEXT NOT NULL,              -- SHA-256 of what the config wanted of the provider then, hexadecimal
    caller     TEXT,                       -- who did it
    created_at TEXT NOT NULL,              -- RFC 3339
    PRIMARY KEY (provider, kind)
) STRICT;
