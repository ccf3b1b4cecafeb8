-- People, chains, channels and the record. What is signed or sealed is kept as the bytes that were signed or sealed;
-- columns beside them are projections that a query or a policy question needs.
-- +goose Up
-- +goose StatementBegin

-- One row once the organisation has a genesis. The server serves one organisation.
CREATE TABLE organisation (
    only_one boolean PRIMARY KEY DEFAULT true CONSTRAINT organisation_only_one CHECK (only_one),
    chain bytea NOT NULL CONSTRAINT organisation_chain_size CHECK (length(chain) = 32)
);

CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username text NOT NULL,
    display_name text NOT NULL,
    roles text[] NOT NULL DEFAULT '{}',
    groups text[] NOT NULL DEFAULT '{}',
    chain bytea CONSTRAINT accounts_chain_unique UNIQUE CONSTRAINT accounts_chain_size CHECK (length(chain) = 32),
    source text NOT NULL,
    fresh_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    disabled_by text CONSTRAINT accounts_disabled_by CHECK (disabled_by IN ('admin', 'directory')),
    last_login timestamptz,
    CONSTRAINT accounts_disabled_by_someone CHECK ((disabled_at IS NULL) = (disabled_by IS NULL))
);
CREATE INDEX accounts_disabled ON accounts (disabled_at) WHERE disabled_at IS NOT NULL;
CREATE INDEX accounts_username ON accounts (username);

-- Who an account is elsewhere. Nothing else links a login to an account: not mail, not name.
CREATE TABLE external_identities (
    connector text NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    kind text NOT NULL,
    account_id bigint NOT NULL REFERENCES accounts,
    PRIMARY KEY (connector, issuer, subject, kind)
);

CREATE TABLE lockouts (
    name text PRIMARY KEY,
    failures timestamptz[] NOT NULL,
    locked_at timestamptz
);

CREATE TABLE sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL CONSTRAINT sessions_token_unique UNIQUE,
    account_id bigint REFERENCES accounts,
    service_role text,
    service_key bytea,
    device bytea,
    connector text NOT NULL,
    amr text[] NOT NULL,
    created_at timestamptz NOT NULL,
    auth_time timestamptz NOT NULL,
    active_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT sessions_person_or_service CHECK ((account_id IS NULL) = (service_key IS NOT NULL)),
    CONSTRAINT sessions_service_has_role CHECK ((service_key IS NULL) = (service_role IS NULL))
);
CREATE INDEX sessions_account ON sessions (account_id) WHERE revoked_at IS NULL;

-- Login nonces work once: taking one is a DELETE.
CREATE TABLE nonces (
    nonce bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- Organisation and user chains. A channel's links are entries.
CREATE TABLE links (
    chain bytea NOT NULL,
    seq bigint NOT NULL,
    entry bytea NOT NULL,
    PRIMARY KEY (chain, seq)
);

CREATE TABLE devices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bytea NOT NULL CONSTRAINT devices_key_unique UNIQUE CONSTRAINT devices_key_size CHECK (length(key) = 32),
    account_id bigint NOT NULL REFERENCES accounts,
    name text NOT NULL,
    public bytea NOT NULL,
    recipient bytea NOT NULL,
    wrap bytea,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT devices_revoked_has_no_seed CHECK ((revoked_at IS NULL) = (wrap IS NOT NULL))
);
CREATE INDEX devices_account ON devices (account_id);

-- The newest user seed sealed to each person's recovery key.
CREATE TABLE recovery_keys (
    account_id bigint PRIMARY KEY REFERENCES accounts,
    key bytea NOT NULL CONSTRAINT recovery_keys_key_size CHECK (length(key) = 32),
    wrap bytea NOT NULL
);

-- Devices that ask to be taken in. A proposal goes forward only: it ends by being taken in, by a refusal or by its time,
-- and its commitment, which names it, never comes again. Rows go an hour after they were made; what happened is on record.
CREATE TABLE proposals (
    id bytea PRIMARY KEY CONSTRAINT proposals_id_size CHECK (length(id) = 32),
    account_id bigint NOT NULL REFERENCES accounts,
    device bytea NOT NULL CONSTRAINT proposals_device_size CHECK (length(device) = 32),
    name text NOT NULL,
    public bytea NOT NULL,
    recipient bytea NOT NULL,
    state text NOT NULL CONSTRAINT proposals_state
        CHECK (state IN ('waiting', 'answered', 'revealed', 'linked', 'added', 'refused')),
    created_at timestamptz NOT NULL,
    approver bytea,
    chain_seq bigint,
    chain_head bytea,
    answer bytea,
    proof bytea,
    reveal bytea,
    entry bytea,
    wrap bytea,
    why text,
    CONSTRAINT proposals_answer_whole CHECK ((approver IS NULL) = (answer IS NULL) AND (chain_seq IS NULL) = (answer IS NULL)
        AND (chain_head IS NULL) = (answer IS NULL) AND (answer IS NOT NULL OR proof IS NULL AND reveal IS NULL)),
    CONSTRAINT proposals_linked_has_link CHECK (state NOT IN ('linked', 'added') OR (entry IS NOT NULL AND wrap IS NOT NULL)),
    CONSTRAINT proposals_linked_was_shown CHECK (entry IS NULL OR proof IS NOT NULL OR reveal IS NOT NULL),
    CONSTRAINT proposals_refused_says_why CHECK ((state = 'refused') = (why IS NOT NULL))
);
CREATE INDEX proposals_account ON proposals (account_id, created_at);

CREATE TABLE teams (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CONSTRAINT teams_name_unique UNIQUE,
    title text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE team_members (
    team_id bigint NOT NULL REFERENCES teams,
    account_id bigint NOT NULL REFERENCES accounts,
    rank text NOT NULL CONSTRAINT team_members_rank CHECK (rank IN ('owner', 'member')),
    PRIMARY KEY (team_id, account_id)
);
CREATE INDEX team_members_account ON team_members (account_id);

CREATE TABLE channels (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain bytea NOT NULL CONSTRAINT channels_chain_unique UNIQUE CONSTRAINT channels_chain_size CHECK (length(chain) = 32),
    team_id bigint REFERENCES teams,
    name text NOT NULL,
    access text NOT NULL CONSTRAINT channels_access CHECK (access IN ('public', 'private', 'direct')),
    capture text NOT NULL CONSTRAINT channels_capture CHECK (capture IN ('off', 'required')),
    created_by bigint NOT NULL REFERENCES accounts,
    created_at timestamptz NOT NULL,
    archived_at timestamptz,
    CONSTRAINT channels_team_name_unique UNIQUE (team_id, name),
    CONSTRAINT channels_direct_has_no_team CHECK ((access = 'direct') = (team_id IS NULL))
);

-- Who records a channel: what stands after since and, unless it lasts, up to until. One whose copy was declared lost
-- has no row. The chain is the truth.
CREATE TABLE duties (
    channel_id bigint NOT NULL REFERENCES channels,
    recorder bytea NOT NULL CONSTRAINT duties_recorder_size CHECK (length(recorder) = 32),
    since bigint NOT NULL,
    until bigint,
    PRIMARY KEY (channel_id, recorder, since)
);
CREATE INDEX duties_recorder ON duties (recorder);

-- Who is a member now, after the channel's chain: for lists and policy questions. The chain is the truth.
-- left_seq stays, since a hold asks who was a member when.
CREATE TABLE channel_members (
    channel_id bigint NOT NULL REFERENCES channels,
    account_id bigint NOT NULL REFERENCES accounts,
    rank text NOT NULL,
    joined_seq bigint NOT NULL,
    left_seq bigint,
    PRIMARY KEY (channel_id, account_id, joined_seq)
);
CREATE UNIQUE INDEX channel_members_now ON channel_members (channel_id, account_id) WHERE left_seq IS NULL;
CREATE INDEX channel_members_account ON channel_members (account_id) WHERE left_seq IS NULL;

-- One total order per channel. The primary key is the arbiter between writers: two that give one position disagree
-- here and nowhere else. Partitions by channel keep it so; partitions by time would not.
CREATE TABLE entries (
    channel_id bigint NOT NULL,
    seq bigint NOT NULL,
    recv_us bigint NOT NULL,
    dev_seq bigint,
    device_id bigint,
    epoch int,
    kind smallint NOT NULL,
    msg_kind smallint,
    head bytea NOT NULL CONSTRAINT entries_head_size CHECK (length(head) = 32),
    hash bytea NOT NULL CONSTRAINT entries_hash_size CHECK (length(hash) = 32),
    header bytea NOT NULL,
    body bytea,
    body_len int NOT NULL,
    body_hash bytea NOT NULL CONSTRAINT entries_body_hash_size CHECK (length(body_hash) = 32),
    sigs bytea NOT NULL,
    sealed_salt bytea,
    messages bigint NOT NULL, -- in the channel so far, this one included: spares counting them
    recorder bytea,           -- whose coverage it is
    PRIMARY KEY (channel_id, seq),
    CONSTRAINT entries_message_has_counter CHECK ((kind = 2) = (dev_seq IS NOT NULL AND device_id IS NOT NULL)),
    CONSTRAINT entries_coverage_has_recorder CHECK ((kind = 4) = (recorder IS NOT NULL))
) PARTITION BY HASH (channel_id);
CREATE INDEX entries_links ON entries (channel_id, seq) WHERE kind <> 2;
-- What a channel's validator is rebuilt from: links and acknowledgements, and each recorder's newest coverage.
CREATE INDEX entries_rules ON entries (channel_id, seq) WHERE kind IN (1, 3);
CREATE INDEX entries_coverage ON entries (channel_id, recorder, seq) WHERE kind = 4;
CREATE INDEX entries_hash ON entries (channel_id, hash) WHERE kind <> 2;
CREATE INDEX entries_received ON entries USING brin (recv_us);
DO $$
BEGIN
    FOR i IN 0..31 LOOP
        EXECUTE format('CREATE TABLE entries_%s PARTITION OF entries FOR VALUES WITH (MODULUS 32, REMAINDER %s)', i, i);
        -- Ciphertext does not compress; EXTERNAL spares the attempt.
        EXECUTE format('ALTER TABLE entries_%s ALTER body SET STORAGE EXTERNAL, ALTER header SET STORAGE EXTERNAL', i);
    END LOOP;
END
$$;

-- The numbers that devices have used up in a channel. Each was placed at a position or refused for good, never both and
-- never twice: the primary key is the arbiter, also between servers. It is the idempotency key of messages too. A
-- refusal is written before it is told. No foreign keys: they would cost two look-ups for each message.
CREATE TABLE device_numbers (
    channel_id bigint NOT NULL,
    device_id bigint NOT NULL,
    dev_seq bigint NOT NULL,
    seq bigint,
    refused bytea, -- hash of the entry
    statement bytea,
    PRIMARY KEY (channel_id, device_id, dev_seq),
    CONSTRAINT device_numbers_placed_or_refused
        CHECK ((seq IS NULL) = (refused IS NOT NULL) AND (refused IS NULL) = (statement IS NULL))
);
CREATE INDEX device_numbers_refused ON device_numbers (channel_id) WHERE seq IS NULL;

CREATE TABLE epochs (
    channel_id bigint NOT NULL REFERENCES channels,
    n bigint NOT NULL,
    seq bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (channel_id, n)
);

CREATE TABLE epoch_wraps (
    recipient bytea NOT NULL,
    channel_id bigint NOT NULL REFERENCES channels,
    n bigint NOT NULL,
    wrap bytea NOT NULL,
    PRIMARY KEY (recipient, channel_id, n)
) PARTITION BY HASH (recipient);
DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE epoch_wraps_%s PARTITION OF epoch_wraps FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
        EXECUTE format('ALTER TABLE epoch_wraps_%s ALTER wrap SET STORAGE EXTERNAL', i);
    END LOOP;
END
$$;

CREATE TABLE blobs (
    id bytea PRIMARY KEY CONSTRAINT blobs_id_size CHECK (length(id) = 16),
    channel_id bigint NOT NULL REFERENCES channels,
    account_id bigint NOT NULL REFERENCES accounts,
    size bigint NOT NULL CONSTRAINT blobs_size CHECK (size >= 0),
    root bytea NOT NULL,
    seq bigint NOT NULL,
    created_at timestamptz NOT NULL,
    disposed_at timestamptz
);
CREATE INDEX blobs_entry ON blobs (channel_id, seq);

-- Sealed files that grow, or wait for the message that binds them: then the row moves to blobs. What nobody claims is
-- dropped, its bytes first.
CREATE TABLE uploads (
    id bytea PRIMARY KEY CONSTRAINT uploads_id_size CHECK (length(id) = 16),
    channel_id bigint NOT NULL REFERENCES channels,
    account_id bigint NOT NULL REFERENCES accounts,
    size bigint NOT NULL CONSTRAINT uploads_size CHECK (size >= 0),
    root bytea NOT NULL,
    touched_at timestamptz NOT NULL,
    stored_at timestamptz,
    dropped_at timestamptz
);
CREATE INDEX uploads_account ON uploads (account_id);

-- The append-only record. A message's record refers to its entry; nothing here is ever changed.
CREATE TABLE records (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    class text NOT NULL,
    op text NOT NULL,
    outcome text NOT NULL CONSTRAINT records_outcome CHECK (outcome IN ('ok', 'denied', 'intent', 'done', 'failed')),
    at_us bigint NOT NULL,
    actor bigint,
    service bytea,
    device bytea,
    channel_id bigint,
    seq bigint,
    object text,
    decision text NOT NULL,
    policy bigint NOT NULL,
    detail text
);
CREATE INDEX records_entry ON records (channel_id, seq) WHERE seq IS NOT NULL;

-- The position of each record in the log, given after commit by the one sequencer.
CREATE TABLE record_positions (
    idx bigint PRIMARY KEY,
    record_id bigint NOT NULL CONSTRAINT record_positions_record_unique UNIQUE REFERENCES records
);

-- The Merkle tree over the records in the order of their positions, in the storage order of golang.org/x/mod/sumdb/tlog.
CREATE TABLE log_hashes (
    i bigint PRIMARY KEY,
    hash bytea NOT NULL CONSTRAINT log_hashes_size CHECK (length(hash) = 32)
);

-- Ids of records that the sequencer passed over and that may still commit: pairs of first and last.
CREATE TABLE log_open (
    only_one boolean PRIMARY KEY DEFAULT true CONSTRAINT log_open_only_one CHECK (only_one),
    ids bigint[] NOT NULL
);
INSERT INTO log_open (ids) VALUES ('{}');

CREATE TABLE checkpoints (
    size bigint PRIMARY KEY,
    note text NOT NULL,
    at_us bigint NOT NULL
);

-- Who besides the signer vouches for a checkpoint, as lines of its note. The time is by the cosigner's clock.
CREATE TABLE cosignatures (
    cosigner bytea NOT NULL CONSTRAINT cosignatures_cosigner_size CHECK (length(cosigner) = 32),
    size bigint NOT NULL REFERENCES checkpoints,
    at_s bigint NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (cosigner, size)
);
CREATE INDEX cosignatures_size ON cosignatures (size);

-- The policy bundles that decisions name.
CREATE TABLE policies (
    generation bigint PRIMARY KEY,
    digest bytea NOT NULL,
    activated_at timestamptz NOT NULL
);

-- Counters that rise when something they name changes. A batch checks the number it was planned with.
CREATE TABLE generations (
    name text PRIMARY KEY,
    n bigint NOT NULL
);
INSERT INTO generations VALUES ('holds', 0), ('rules', 0), ('log', 0);

GRANT SELECT ON ALL TABLES IN SCHEMA public TO chancery_app, chancery_retention, chancery_export;
GRANT INSERT ON organisation, accounts, external_identities, lockouts, sessions, nonces, links, devices, recovery_keys, proposals, teams, team_members,
    channels, channel_members, entries, device_numbers, epochs, epoch_wraps, blobs, uploads, records, record_positions, log_hashes,
    checkpoints, cosignatures, policies TO chancery_app;
GRANT UPDATE (username, display_name, roles, groups, chain, source, fresh_at, disabled_at, disabled_by, last_login) ON accounts TO chancery_app;
GRANT UPDATE ON lockouts, generations, log_open TO chancery_app;
GRANT UPDATE (at_s, line) ON cosignatures TO chancery_app;
GRANT UPDATE (device, active_at, revoked_at, token_hash) ON sessions TO chancery_app;
GRANT UPDATE (wrap, revoked_at) ON devices TO chancery_app;
GRANT UPDATE (key, wrap) ON recovery_keys TO chancery_app;
GRANT UPDATE (state, approver, chain_seq, chain_head, answer, proof, reveal, entry, wrap, why) ON proposals TO chancery_app;
GRANT UPDATE (archived_at) ON channels TO chancery_app;
GRANT INSERT, DELETE, UPDATE (until) ON duties TO chancery_app;
GRANT UPDATE (rank, left_seq) ON channel_members TO chancery_app;
GRANT UPDATE (touched_at, stored_at, dropped_at) ON uploads TO chancery_app;
GRANT DELETE ON nonces, lockouts, proposals, uploads, recovery_keys TO chancery_app;
-- Only retention drops payloads, and it drops nothing but payloads.
GRANT UPDATE (body, sealed_salt) ON entries TO chancery_retention;
GRANT UPDATE (disposed_at) ON blobs TO chancery_retention;
GRANT INSERT ON records TO chancery_retention;
REVOKE ALL ON goose_db_version FROM chancery_app, chancery_retention, chancery_export;
-- +goose StatementEnd
