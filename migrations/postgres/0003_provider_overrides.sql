-- What admins have done to providers, until the config's section of that provider is changed. Hubs that share this database share
-- it. This is no part of the trail: what was done when, and by whom, has rows there.
CREATE TABLE ops.provider_overrides (
    provider   text NOT NULL,
    kind       text NOT NULL,              -- disabled, rolled_back
    component  text,                       -- SHA-256 of the component that serves instead, hexadecimal; null if it is disabled
    section    text NOT NULL,              -- SHA-256 of what the config wanted of the provider then, hexadecimal
    caller     uuid,                       -- who did it
    created_at timestamptz NOT NULL,
    PRIMARY KEY (provider, kind)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.provider_overrides TO bulkhead_hub;
