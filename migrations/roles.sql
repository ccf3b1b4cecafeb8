-- Who may do what. Runs before the migrations, as often as the server starts, in one transaction.
-- The login is a member of each group and a session takes on one of them (role=chancery_app in its URL).
--   chancery_owner      owns the schema; only migrations run as it
--   chancery_app        the server: adds, never rewrites or removes what is kept
--   chancery_retention  the only one that deletes payloads
--   chancery_export     reads
-- Where the login may not make roles, an administrator makes these four and grants them to it beforehand.
DO $$
DECLARE
    name text;
BEGIN
    -- The lock is for servers that start at once. It holds within one database, while roles belong to the whole
    -- cluster: against servers of other databases a lost race is caught.
    PERFORM pg_advisory_xact_lock(hashtext('chancery roles'));
    FOREACH name IN ARRAY ARRAY['chancery_owner', 'chancery_app', 'chancery_retention', 'chancery_export'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, name, 'MEMBER') THEN
            BEGIN
                EXECUTE format('GRANT %I TO CURRENT_USER', name);
            EXCEPTION WHEN unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    -- Only the owner makes things in the schema; to anyone else a new table would be a way to plant a function.
    IF has_schema_privilege('public', 'public', 'CREATE') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
    IF NOT has_schema_privilege('chancery_owner', 'public', 'CREATE') THEN
        GRANT USAGE, CREATE ON SCHEMA public TO chancery_owner;
    END IF;
END
$$;
