-- Secrets from Supabase's vault: who has the role `bulkhead_vault` may read the view of them and nothing else there. The hub's
-- user has it where somebody grants it.
DO $do$ BEGIN
    CREATE ROLE bulkhead_vault NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $do$;
GRANT USAGE ON SCHEMA vault TO bulkhead_vault;
GRANT SELECT ON vault.decrypted_secrets TO bulkhead_vault;
-- What the view decrypts with runs as whoever reads the view.
DO $do$ DECLARE
    decrypts regprocedure;
BEGIN
    FOR decrypts IN SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'vault' AND p.proname = '_crypto_aead_det_decrypt' LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO bulkhead_vault', decrypts);
    END LOOP;
END $do$;
