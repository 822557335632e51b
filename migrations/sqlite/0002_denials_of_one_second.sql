-- A row may stand for several denials of one caller for one reason within one second.
ALTER TABLE ops.run_events ADD COLUMN times INTEGER NOT NULL DEFAULT 1 CHECK (times >= 1);
