-- What is different where Supabase's schemas are. `bulkhead migrate` runs this after the migrations, each time: it makes what is
-- missing. Docs: docs/supabase.md.

-- A caller is in `caller`, as it is sealed. `caller_id` refers to the user where there is one, and forgets it with the user.
DO $do$ BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'run_events_caller_id_fkey' AND conrelid = 'ops.run_events'::regclass) THEN
        RETURN;
    END IF;
    ALTER TABLE ops.run_events ALTER COLUMN caller_id DROP EXPRESSION;
    DROP TRIGGER append_only ON ops.run_events;
    UPDATE ops.run_events SET caller_id = NULL WHERE NOT EXISTS (SELECT FROM auth.users u WHERE u.id = caller_id);
    ALTER TABLE ops.run_events ADD CONSTRAINT run_events_caller_id_fkey FOREIGN KEY (caller_id) REFERENCES auth.users (id)
        ON DELETE SET NULL;
END $do$;

-- Set by the database alone, whoever inserts: the hub's user needs no right on users. A user who is just being removed is none,
-- and nobody waits for that.
CREATE OR REPLACE FUNCTION ops.refer_to_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS
$$ BEGIN
    NEW.caller_id := NULL;
    IF NEW.caller IS NOT NULL THEN
        SELECT u.id INTO NEW.caller_id FROM auth.users u WHERE u.id = NEW.caller FOR KEY SHARE SKIP LOCKED;
    END IF;
    RETURN NEW;
END $$;

-- An event is changed in one way: it forgets a user that is gone.
CREATE OR REPLACE FUNCTION ops.refuse_change_but_of_user() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS
$$ DECLARE
    otherwise record := NEW;
BEGIN
    otherwise.caller_id := OLD.caller_id;
    IF OLD.caller_id IS NOT NULL AND NEW.caller_id IS NULL AND otherwise OPERATOR(pg_catalog.*=) OLD
        AND NOT EXISTS (SELECT FROM auth.users u WHERE u.id = OLD.caller_id) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME;
END $$;

DROP TRIGGER IF EXISTS append_only ON ops.run_events;
DROP TRIGGER IF EXISTS append_only_but_of_user ON ops.run_events;
DROP TRIGGER IF EXISTS refer_to_user ON ops.run_events;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ops.run_events
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change();
CREATE TRIGGER append_only_but_of_user BEFORE UPDATE ON ops.run_events
    FOR EACH ROW EXECUTE FUNCTION ops.refuse_change_but_of_user();
CREATE TRIGGER refer_to_user BEFORE INSERT ON ops.run_events
    FOR EACH ROW EXECUTE FUNCTION ops.refer_to_user();

-- Who asks by way of Supabase's API, by the token that it has verified. What is no token's is nobody.
CREATE OR REPLACE FUNCTION ops.request_user() RETURNS uuid LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT CASE WHEN sub ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN sub::uuid END
    FROM (SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub' AS sub) claims $$;

-- `app_metadata` is what the project says of a user, and `user_metadata` what that says of itself.
CREATE OR REPLACE FUNCTION ops.request_sees_all() RETURNS boolean LANGUAGE sql STABLE SET search_path = '' AS
$$ SELECT coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb -> 'app_metadata' ->> 'ops_role'
    IN ('ops_admin', 'ops_auditor'), false) $$;

-- Row-level security on every table, for the owner too: the hub's role and the owner see all, and nobody else anything that no
-- policy says. Nobody has a right left that was granted to whole schemas.
DO $do$ DECLARE
    name text;
BEGIN
    FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'ops'::regnamespace AND c.relkind IN ('r', 'p') LOOP
        EXECUTE format('ALTER TABLE ops.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE ops.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS hub ON ops.%I', name);
        EXECUTE format('CREATE POLICY hub ON ops.%I TO bulkhead_hub, CURRENT_USER USING (true) WITH CHECK (true)', name);
    END LOOP;
    FOR name IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA ops FROM %I', name);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA ops FROM %I', name);
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ops FROM %I', name);
    END LOOP;
END $do$;
REVOKE ALL ON SCHEMA ops FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ops FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ops FROM PUBLIC;

-- Users with a token of the project: their own rows, and all of them for those who answer for all.
DROP POLICY IF EXISTS callers ON ops.run_events;
DROP POLICY IF EXISTS callers ON ops.run_intents;
CREATE POLICY callers ON ops.run_events FOR SELECT TO authenticated
    USING (caller = (SELECT ops.request_user()) OR (SELECT ops.request_sees_all()));
CREATE POLICY callers ON ops.run_intents FOR SELECT TO authenticated
    USING (caller = (SELECT ops.request_user()) OR (SELECT ops.request_sees_all()));
GRANT USAGE ON SCHEMA ops TO authenticated;
GRANT SELECT ON ops.run_events, ops.run_intents TO authenticated;
GRANT EXECUTE ON FUNCTION ops.request_user(), ops.request_sees_all() TO authenticated;
