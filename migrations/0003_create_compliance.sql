-- Matters, holds, retention and exports. An order is kept as the bytes that people signed; columns beside it are
-- projections that a query needs. States are CHECKed with their times.
-- +goose Up
-- +goose StatementBegin

CREATE TABLE matters (
    id text PRIMARY KEY CONSTRAINT matters_id_form CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    title text NOT NULL,
    created_by bigint NOT NULL REFERENCES accounts,
    created_at timestamptz NOT NULL,
    closed_at timestamptz
);

-- Consent of people to orders. One person consents to one order once, in whatever role: two consents are two people,
-- whoever got past policy and chain.
CREATE TABLE approvals (
    n bigint GENERATED ALWAYS AS IDENTITY,
    order_hash bytea NOT NULL CONSTRAINT approvals_order_size CHECK (length(order_hash) = 32),
    action text NOT NULL,
    person bytea NOT NULL CONSTRAINT approvals_person_size CHECK (length(person) = 32),
    account_id bigint NOT NULL REFERENCES accounts,
    role text NOT NULL CONSTRAINT approvals_role CHECK (role IN ('compliance', 'legal')),
    statement bytea NOT NULL,
    at_us bigint NOT NULL,
    PRIMARY KEY (order_hash, action),
    CONSTRAINT approvals_once_per_person UNIQUE (order_hash, person),
    CONSTRAINT approvals_once_per_account UNIQUE (order_hash, account_id)
);

CREATE TABLE holds (
    id bytea PRIMARY KEY CONSTRAINT holds_id_size CHECK (length(id) = 32),
    matter_id text NOT NULL REFERENCES matters,
    name text NOT NULL,
    order_bytes bytea NOT NULL,
    users bytea[] NOT NULL,
    channels bytea[] NOT NULL,
    from_us bigint NOT NULL,
    to_us bigint NOT NULL,
    state text NOT NULL CONSTRAINT holds_state CHECK (state IN ('draft', 'active', 'release_requested', 'cooling', 'closed')),
    requested_by bigint NOT NULL REFERENCES accounts,
    created_at timestamptz NOT NULL,
    active_at timestamptz,
    messages bigint,
    root bytea,
    release_id bytea,
    release_bytes bytea,
    release_by bigint REFERENCES accounts,
    released_at timestamptz,
    closed_at timestamptz,
    CONSTRAINT holds_active_is_attested CHECK ((state = 'draft') = (active_at IS NULL)
        AND (active_at IS NULL) = (messages IS NULL) AND (messages IS NULL) = (root IS NULL)),
    CONSTRAINT holds_release_is_ordered CHECK ((state IN ('draft', 'active')) = (release_id IS NULL)
        AND (release_id IS NULL) = (release_bytes IS NULL) AND (release_id IS NULL) = (release_by IS NULL)),
    CONSTRAINT holds_cooling_has_time CHECK ((state IN ('cooling', 'closed')) = (released_at IS NOT NULL)),
    CONSTRAINT holds_closed_has_time CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
CREATE INDEX holds_in_force ON holds (id) WHERE state IN ('active', 'release_requested', 'cooling');

-- Every revision stays; the newest is in force.
CREATE TABLE rules (
    id text NOT NULL CONSTRAINT rules_id_form CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    revision bigint NOT NULL,
    hash bytea NOT NULL CONSTRAINT rules_hash_unique UNIQUE CONSTRAINT rules_hash_size CHECK (length(hash) = 32),
    order_bytes bytea NOT NULL,
    channel bytea CONSTRAINT rules_channel_size CHECK (length(channel) = 32),
    min_retain bigint NOT NULL CONSTRAINT rules_min CHECK (min_retain >= 0),
    max_retain bigint NOT NULL CONSTRAINT rules_max CHECK (max_retain >= 0),
    locked boolean NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id, revision)
);

-- A locked rule is extended, never shortened (SEC 17a-4: preservation lock). The server checks it too; this is for
-- whoever writes SQL as the server.
CREATE FUNCTION extend_rule() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $fn$
DECLARE
    last rules;
BEGIN
    SELECT * INTO last FROM rules WHERE id = NEW.id ORDER BY revision DESC LIMIT 1;
    IF NEW.revision <> coalesce(last.revision, 0) + 1 THEN
        RAISE EXCEPTION 'rule % has revision %', NEW.id, coalesce(last.revision, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'rules_revision_follows';
    END IF;
    IF last.locked AND (NEW.min_retain < last.min_retain OR NOT NEW.locked OR NEW.channel IS DISTINCT FROM last.channel) THEN
        RAISE EXCEPTION 'rule % is locked', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'rules_extend_only';
    END IF;
    RETURN NEW;
END
$fn$;
CREATE TRIGGER rules_extend BEFORE INSERT ON rules FOR EACH ROW EXECUTE FUNCTION extend_rule();

CREATE TABLE plans (
    id bytea PRIMARY KEY CONSTRAINT plans_id_size CHECK (length(id) = 32),
    order_bytes bytea NOT NULL,
    rules_generation bigint NOT NULL,
    state text NOT NULL CONSTRAINT plans_state
        CHECK (state IN ('planned', 'approved', 'running', 'pending', 'certified', 'stopped')),
    requested_by bigint NOT NULL REFERENCES accounts,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    disposed bigint NOT NULL DEFAULT 0,
    finished_at timestamptz,
    certificate bytea,
    certified_at timestamptz,
    why text,
    CONSTRAINT plans_running_has_start CHECK (state IN ('planned', 'approved', 'stopped') OR started_at IS NOT NULL),
    CONSTRAINT plans_pending_has_finish CHECK ((state IN ('pending', 'certified')) = (finished_at IS NOT NULL)),
    CONSTRAINT plans_certified_has_certificate CHECK ((state = 'certified') = (certificate IS NOT NULL)
        AND (certificate IS NULL) = (certified_at IS NULL)),
    CONSTRAINT plans_stopped_says_why CHECK ((state = 'stopped') = (why IS NOT NULL))
);
CREATE INDEX plans_open ON plans (created_at) WHERE state IN ('running', 'pending');

-- Word of the recorders that a plan has gone from their own copies too.
CREATE TABLE confirmations (
    plan_id bytea NOT NULL REFERENCES plans,
    recorder bytea NOT NULL CONSTRAINT confirmations_recorder_size CHECK (length(recorder) = 32),
    statement bytea NOT NULL,
    at_us bigint NOT NULL,
    PRIMARY KEY (plan_id, recorder)
);

CREATE TABLE schedules (
    id text NOT NULL CONSTRAINT schedules_id_form CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    revision bigint NOT NULL,
    hash bytea NOT NULL CONSTRAINT schedules_hash_unique UNIQUE,
    order_bytes bytea NOT NULL,
    requested_by bigint NOT NULL REFERENCES accounts,
    created_at timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    active_at timestamptz,
    due_at timestamptz,
    PRIMARY KEY (id, revision),
    CONSTRAINT schedules_due_is_active CHECK (due_at IS NULL OR active_at IS NOT NULL)
);
CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE exports (
    id bytea PRIMARY KEY CONSTRAINT exports_id_size CHECK (length(id) = 32),
    schedule_id text NOT NULL,
    revision bigint NOT NULL,
    ordinal bigint NOT NULL,
    from_idx bigint NOT NULL,
    to_idx bigint NOT NULL,
    header bytea NOT NULL,
    ranges bytea NOT NULL,
    previous_id bytea REFERENCES exports,
    state text NOT NULL CONSTRAINT exports_state
        CHECK (state IN ('cut', 'writing', 'sealed', 'signed', 'delivered', 'failed')),
    requested_by bigint REFERENCES accounts,
    messages bigint NOT NULL DEFAULT 0,
    exceptions bigint NOT NULL DEFAULT 0,
    manifest bytea,
    openings bigint,
    key_commit bytea,
    path text,
    why text,
    cut_at timestamptz NOT NULL,
    sealed_at timestamptz,
    signed_at timestamptz,
    delivered_at timestamptz,
    FOREIGN KEY (schedule_id, revision) REFERENCES schedules,
    CONSTRAINT exports_period_order CHECK (from_idx >= 0 AND from_idx < to_idx),
    CONSTRAINT exports_openings_have_key CHECK ((openings IS NULL) = (key_commit IS NULL)),
    CONSTRAINT exports_sealed_has_manifest CHECK (state NOT IN ('sealed', 'signed', 'delivered')
        OR (sealed_at IS NOT NULL AND manifest IS NOT NULL)),
    CONSTRAINT exports_signed_has_time CHECK (state NOT IN ('signed', 'delivered') OR signed_at IS NOT NULL),
    CONSTRAINT exports_delivered_has_path CHECK ((state = 'delivered') = (delivered_at IS NOT NULL) AND (delivered_at IS NULL OR path IS NOT NULL)),
    CONSTRAINT exports_failed_says_why CHECK (state <> 'failed' OR why IS NOT NULL)
);
-- A period leaves once, and one archive after the other.
CREATE UNIQUE INDEX exports_ordinal ON exports (schedule_id, ordinal) WHERE state <> 'failed';
CREATE UNIQUE INDEX exports_period ON exports (schedule_id, from_idx) WHERE state <> 'failed';
CREATE INDEX exports_open ON exports (cut_at) WHERE state IN ('cut', 'writing', 'sealed', 'signed');

-- The time fuse looks for the newest checkpoint that is two days older than the last.
CREATE INDEX checkpoints_time ON checkpoints (at_us);

-- How the server's clock went, for the time fuse: see retention/clock.go.
CREATE TABLE watch (
    only_one boolean PRIMARY KEY DEFAULT true CONSTRAINT watch_only_one CHECK (only_one),
    last_us bigint NOT NULL,
    owed_us bigint NOT NULL CONSTRAINT watch_owed CHECK (owed_us >= 0)
);
INSERT INTO watch (last_us, owed_us) VALUES (0, 0);
GRANT SELECT ON watch TO chancery_app, chancery_retention, chancery_export;
GRANT UPDATE (last_us, owed_us) ON watch TO chancery_app;

-- Signed words beside a channel: how far devices have written, alarms, disputes and rulings. One signer says one thing
-- once.
CREATE TABLE notices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id bigint NOT NULL REFERENCES channels,
    label text NOT NULL CONSTRAINT notices_label CHECK (label IN ('tail', 'alarm', 'dispute', 'ruling')),
    signer bytea NOT NULL CONSTRAINT notices_signer_size CHECK (length(signer) = 32),
    about text NOT NULL,
    hash bytea NOT NULL CONSTRAINT notices_hash_size CHECK (length(hash) = 32),
    statement bytea NOT NULL,
    evidence bytea,
    at_us bigint NOT NULL,
    CONSTRAINT notices_once UNIQUE (channel_id, label, signer, about),
    CONSTRAINT notices_evidence_of_disputes CHECK (evidence IS NULL OR label = 'dispute')
);
CREATE INDEX notices_channel ON notices (channel_id, id);
GRANT SELECT ON notices TO chancery_app, chancery_retention, chancery_export;
GRANT INSERT ON notices TO chancery_app;

GRANT SELECT ON matters, approvals, holds, rules, plans, confirmations, schedules, exports
    TO chancery_app, chancery_retention, chancery_export;
GRANT INSERT ON matters, approvals, holds, rules, plans, confirmations, schedules, exports TO chancery_app;
GRANT UPDATE (state, active_at, messages, root, release_id, release_bytes, release_by, released_at, closed_at) ON holds TO chancery_app;
GRANT UPDATE (state, started_at, disposed, finished_at, certificate, certified_at, why) ON plans TO chancery_app;
GRANT UPDATE (active_at, due_at) ON schedules TO chancery_app;
GRANT UPDATE (state, messages, exceptions, manifest, openings, key_commit, path, why, sealed_at, signed_at, delivered_at)
    ON exports TO chancery_app;
-- +goose StatementEnd
