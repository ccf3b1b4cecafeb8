-- What the migrations add up to. Written by TestSchemaGolden; do not edit.

CREATE TYPE public.river_job_state AS ENUM (
    'available',
    'cancelled',
    'completed',
    'discarded',
    'pending',
    'retryable',
    'running',
    'scheduled'
);

CREATE FUNCTION public.extend_rule() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public'
    AS $$
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
$$;

CREATE FUNCTION public.river_job_state_in_bitmask(bitmask bit, state public.river_job_state) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE state
        WHEN 'available' THEN get_bit(bitmask, 7)
        WHEN 'cancelled' THEN get_bit(bitmask, 6)
        WHEN 'completed' THEN get_bit(bitmask, 5)
        WHEN 'discarded' THEN get_bit(bitmask, 4)
        WHEN 'pending'   THEN get_bit(bitmask, 3)
        WHEN 'retryable' THEN get_bit(bitmask, 2)
        WHEN 'running'   THEN get_bit(bitmask, 1)
        WHEN 'scheduled' THEN get_bit(bitmask, 0)
        ELSE 0
    END = 1;
$$;

CREATE TABLE public.accounts (
    id bigint NOT NULL,
    username text NOT NULL,
    display_name text NOT NULL,
    roles text[] DEFAULT '{}'::text[] NOT NULL,
    groups text[] DEFAULT '{}'::text[] NOT NULL,
    chain bytea,
    source text NOT NULL,
    fresh_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    disabled_by text,
    last_login timestamp with time zone,
    CONSTRAINT accounts_chain_size CHECK ((length(chain) = 32)),
    CONSTRAINT accounts_disabled_by CHECK ((disabled_by = ANY (ARRAY['admin'::text, 'directory'::text]))),
    CONSTRAINT accounts_disabled_by_someone CHECK (((disabled_at IS NULL) = (disabled_by IS NULL)))
);

ALTER TABLE public.accounts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.accounts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.approvals (
    n bigint NOT NULL,
    order_hash bytea NOT NULL,
    action text NOT NULL,
    person bytea NOT NULL,
    account_id bigint NOT NULL,
    role text NOT NULL,
    statement bytea NOT NULL,
    at_us bigint NOT NULL,
    CONSTRAINT approvals_order_size CHECK ((length(order_hash) = 32)),
    CONSTRAINT approvals_person_size CHECK ((length(person) = 32)),
    CONSTRAINT approvals_role CHECK ((role = ANY (ARRAY['compliance'::text, 'legal'::text])))
);

ALTER TABLE public.approvals ALTER COLUMN n ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.approvals_n_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.blobs (
    id bytea NOT NULL,
    channel_id bigint NOT NULL,
    account_id bigint NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    seq bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    disposed_at timestamp with time zone,
    CONSTRAINT blobs_id_size CHECK ((length(id) = 16)),
    CONSTRAINT blobs_size CHECK ((size >= 0))
);

CREATE TABLE public.channel_members (
    channel_id bigint NOT NULL,
    account_id bigint NOT NULL,
    rank text NOT NULL,
    joined_seq bigint NOT NULL,
    left_seq bigint
);

CREATE TABLE public.channels (
    id bigint NOT NULL,
    chain bytea NOT NULL,
    team_id bigint,
    name text NOT NULL,
    access text NOT NULL,
    capture text NOT NULL,
    created_by bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    archived_at timestamp with time zone,
    CONSTRAINT channels_access CHECK ((access = ANY (ARRAY['public'::text, 'private'::text, 'direct'::text]))),
    CONSTRAINT channels_capture CHECK ((capture = ANY (ARRAY['off'::text, 'required'::text]))),
    CONSTRAINT channels_chain_size CHECK ((length(chain) = 32)),
    CONSTRAINT channels_direct_has_no_team CHECK (((access = 'direct'::text) = (team_id IS NULL)))
);

ALTER TABLE public.channels ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.channels_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.checkpoints (
    size bigint NOT NULL,
    note text NOT NULL,
    at_us bigint NOT NULL
);

CREATE TABLE public.confirmations (
    plan_id bytea NOT NULL,
    recorder bytea NOT NULL,
    statement bytea NOT NULL,
    at_us bigint NOT NULL,
    CONSTRAINT confirmations_recorder_size CHECK ((length(recorder) = 32))
);

CREATE TABLE public.cosignatures (
    cosigner bytea NOT NULL,
    size bigint NOT NULL,
    at_s bigint NOT NULL,
    line text NOT NULL,
    CONSTRAINT cosignatures_cosigner_size CHECK ((length(cosigner) = 32))
);

CREATE TABLE public.device_numbers (
    channel_id bigint NOT NULL,
    device_id bigint NOT NULL,
    dev_seq bigint NOT NULL,
    seq bigint,
    refused bytea,
    statement bytea,
    CONSTRAINT device_numbers_placed_or_refused CHECK ((((seq IS NULL) = (refused IS NOT NULL)) AND ((refused IS NULL) = (statement IS NULL))))
);

CREATE TABLE public.devices (
    id bigint NOT NULL,
    key bytea NOT NULL,
    account_id bigint NOT NULL,
    name text NOT NULL,
    public bytea NOT NULL,
    recipient bytea NOT NULL,
    wrap bytea,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT devices_key_size CHECK ((length(key) = 32)),
    CONSTRAINT devices_revoked_has_no_seed CHECK (((revoked_at IS NULL) = (wrap IS NOT NULL)))
);

ALTER TABLE public.devices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.devices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.duties (
    channel_id bigint NOT NULL,
    recorder bytea NOT NULL,
    since bigint NOT NULL,
    until bigint,
    CONSTRAINT duties_recorder_size CHECK ((length(recorder) = 32))
);

CREATE TABLE public.entries (
    channel_id bigint NOT NULL,
    seq bigint NOT NULL,
    recv_us bigint NOT NULL,
    dev_seq bigint,
    device_id bigint,
    epoch integer,
    kind smallint NOT NULL,
    msg_kind smallint,
    head bytea NOT NULL,
    hash bytea NOT NULL,
    header bytea NOT NULL,
    body bytea,
    body_len integer NOT NULL,
    body_hash bytea NOT NULL,
    sigs bytea NOT NULL,
    sealed_salt bytea,
    messages bigint NOT NULL,
    recorder bytea,
    CONSTRAINT entries_body_hash_size CHECK ((length(body_hash) = 32)),
    CONSTRAINT entries_coverage_has_recorder CHECK (((kind = 4) = (recorder IS NOT NULL))),
    CONSTRAINT entries_hash_size CHECK ((length(hash) = 32)),
    CONSTRAINT entries_head_size CHECK ((length(head) = 32)),
    CONSTRAINT entries_message_has_counter CHECK (((kind = 2) = ((dev_seq IS NOT NULL) AND (device_id IS NOT NULL))))
)
PARTITION BY HASH (channel_id);

CREATE TABLE public.epoch_wraps (
    recipient bytea NOT NULL,
    channel_id bigint NOT NULL,
    n bigint NOT NULL,
    wrap bytea NOT NULL
)
PARTITION BY HASH (recipient);

CREATE TABLE public.epochs (
    channel_id bigint NOT NULL,
    n bigint NOT NULL,
    seq bigint NOT NULL,
    hashes bytea NOT NULL
);

CREATE TABLE public.exports (
    id bytea NOT NULL,
    schedule_id text NOT NULL,
    revision bigint NOT NULL,
    ordinal bigint NOT NULL,
    from_idx bigint NOT NULL,
    to_idx bigint NOT NULL,
    header bytea NOT NULL,
    ranges bytea NOT NULL,
    previous_id bytea,
    state text NOT NULL,
    requested_by bigint,
    messages bigint DEFAULT 0 NOT NULL,
    exceptions bigint DEFAULT 0 NOT NULL,
    manifest bytea,
    openings bigint,
    key_commit bytea,
    path text,
    why text,
    cut_at timestamp with time zone NOT NULL,
    sealed_at timestamp with time zone,
    signed_at timestamp with time zone,
    delivered_at timestamp with time zone,
    CONSTRAINT exports_delivered_has_path CHECK ((((state = 'delivered'::text) = (delivered_at IS NOT NULL)) AND ((delivered_at IS NULL) OR (path IS NOT NULL)))),
    CONSTRAINT exports_failed_says_why CHECK (((state <> 'failed'::text) OR (why IS NOT NULL))),
    CONSTRAINT exports_id_size CHECK ((length(id) = 32)),
    CONSTRAINT exports_openings_have_key CHECK (((openings IS NULL) = (key_commit IS NULL))),
    CONSTRAINT exports_period_order CHECK (((from_idx >= 0) AND (from_idx < to_idx))),
    CONSTRAINT exports_sealed_has_manifest CHECK (((state <> ALL (ARRAY['sealed'::text, 'signed'::text, 'delivered'::text])) OR ((sealed_at IS NOT NULL) AND (manifest IS NOT NULL)))),
    CONSTRAINT exports_signed_has_time CHECK (((state <> ALL (ARRAY['signed'::text, 'delivered'::text])) OR (signed_at IS NOT NULL))),
    CONSTRAINT exports_state CHECK ((state = ANY (ARRAY['cut'::text, 'writing'::text, 'sealed'::text, 'signed'::text, 'delivered'::text, 'failed'::text])))
);

CREATE TABLE public.external_identities (
    connector text NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    kind text NOT NULL,
    account_id bigint NOT NULL
);

CREATE TABLE public.generations (
    name text NOT NULL,
    n bigint NOT NULL
);

CREATE TABLE public.goose_db_version (
    id integer NOT NULL,
    version_id bigint NOT NULL,
    is_applied boolean NOT NULL,
    tstamp timestamp without time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.goose_db_version ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.goose_db_version_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.holds (
    id bytea NOT NULL,
    matter_id text NOT NULL,
    name text NOT NULL,
    order_bytes bytea NOT NULL,
    users bytea[] NOT NULL,
    channels bytea[] NOT NULL,
    from_us bigint NOT NULL,
    to_us bigint NOT NULL,
    state text NOT NULL,
    requested_by bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    active_at timestamp with time zone,
    messages bigint,
    root bytea,
    release_id bytea,
    release_bytes bytea,
    release_by bigint,
    released_at timestamp with time zone,
    closed_at timestamp with time zone,
    CONSTRAINT holds_active_is_attested CHECK ((((state = 'draft'::text) = (active_at IS NULL)) AND ((active_at IS NULL) = (messages IS NULL)) AND ((messages IS NULL) = (root IS NULL)))),
    CONSTRAINT holds_closed_has_time CHECK (((state = 'closed'::text) = (closed_at IS NOT NULL))),
    CONSTRAINT holds_cooling_has_time CHECK (((state = ANY (ARRAY['cooling'::text, 'closed'::text])) = (released_at IS NOT NULL))),
    CONSTRAINT holds_id_size CHECK ((length(id) = 32)),
    CONSTRAINT holds_release_is_ordered CHECK ((((state = ANY (ARRAY['draft'::text, 'active'::text])) = (release_id IS NULL)) AND ((release_id IS NULL) = (release_bytes IS NULL)) AND ((release_id IS NULL) = (release_by IS NULL)))),
    CONSTRAINT holds_state CHECK ((state = ANY (ARRAY['draft'::text, 'active'::text, 'release_requested'::text, 'cooling'::text, 'closed'::text])))
);

CREATE TABLE public.links (
    chain bytea NOT NULL,
    seq bigint NOT NULL,
    entry bytea NOT NULL
);

CREATE TABLE public.lockouts (
    name text NOT NULL,
    failures timestamp with time zone[] NOT NULL,
    locked_at timestamp with time zone
);

CREATE TABLE public.log_hashes (
    i bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT log_hashes_size CHECK ((length(hash) = 32))
);

CREATE TABLE public.log_open (
    only_one boolean DEFAULT true NOT NULL,
    ids bigint[] NOT NULL,
    CONSTRAINT log_open_only_one CHECK (only_one)
);

CREATE TABLE public.matters (
    id text NOT NULL,
    title text NOT NULL,
    created_by bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT matters_id_form CHECK ((id ~ '^[a-z0-9][a-z0-9-]{0,62}$'::text))
);

CREATE TABLE public.nonces (
    nonce bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.notices (
    id bigint NOT NULL,
    channel_id bigint NOT NULL,
    label text NOT NULL,
    signer bytea NOT NULL,
    about text NOT NULL,
    hash bytea NOT NULL,
    statement bytea NOT NULL,
    evidence bytea,
    at_us bigint NOT NULL,
    CONSTRAINT notices_evidence_of_disputes CHECK (((evidence IS NULL) OR (label = 'dispute'::text))),
    CONSTRAINT notices_hash_size CHECK ((length(hash) = 32)),
    CONSTRAINT notices_label CHECK ((label = ANY (ARRAY['tail'::text, 'alarm'::text, 'dispute'::text, 'ruling'::text]))),
    CONSTRAINT notices_signer_size CHECK ((length(signer) = 32))
);

ALTER TABLE public.notices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.organisation (
    only_one boolean DEFAULT true NOT NULL,
    chain bytea NOT NULL,
    CONSTRAINT organisation_chain_size CHECK ((length(chain) = 32)),
    CONSTRAINT organisation_only_one CHECK (only_one)
);

CREATE TABLE public.plans (
    id bytea NOT NULL,
    order_bytes bytea NOT NULL,
    rules_generation bigint NOT NULL,
    state text NOT NULL,
    requested_by bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    disposed bigint DEFAULT 0 NOT NULL,
    finished_at timestamp with time zone,
    certificate bytea,
    certified_at timestamp with time zone,
    why text,
    CONSTRAINT plans_certified_has_certificate CHECK ((((state = 'certified'::text) = (certificate IS NOT NULL)) AND ((certificate IS NULL) = (certified_at IS NULL)))),
    CONSTRAINT plans_id_size CHECK ((length(id) = 32)),
    CONSTRAINT plans_pending_has_finish CHECK (((state = ANY (ARRAY['pending'::text, 'certified'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT plans_running_has_start CHECK (((state = ANY (ARRAY['planned'::text, 'approved'::text, 'stopped'::text])) OR (started_at IS NOT NULL))),
    CONSTRAINT plans_state CHECK ((state = ANY (ARRAY['planned'::text, 'approved'::text, 'running'::text, 'pending'::text, 'certified'::text, 'stopped'::text]))),
    CONSTRAINT plans_stopped_says_why CHECK (((state = 'stopped'::text) = (why IS NOT NULL)))
);

CREATE TABLE public.policies (
    generation bigint NOT NULL,
    digest bytea NOT NULL,
    activated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.proposals (
    id bytea NOT NULL,
    account_id bigint NOT NULL,
    device bytea NOT NULL,
    name text NOT NULL,
    public bytea NOT NULL,
    recipient bytea NOT NULL,
    state text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    approver bytea,
    chain_seq bigint,
    chain_head bytea,
    answer bytea,
    proof bytea,
    reveal bytea,
    entry bytea,
    wrap bytea,
    why text,
    CONSTRAINT proposals_answer_whole CHECK ((((approver IS NULL) = (answer IS NULL)) AND ((chain_seq IS NULL) = (answer IS NULL)) AND ((chain_head IS NULL) = (answer IS NULL)) AND ((answer IS NOT NULL) OR ((proof IS NULL) AND (reveal IS NULL))))),
    CONSTRAINT proposals_device_size CHECK ((length(device) = 32)),
    CONSTRAINT proposals_id_size CHECK ((length(id) = 32)),
    CONSTRAINT proposals_linked_has_link CHECK (((state <> ALL (ARRAY['linked'::text, 'added'::text])) OR ((entry IS NOT NULL) AND (wrap IS NOT NULL)))),
    CONSTRAINT proposals_linked_was_shown CHECK (((entry IS NULL) OR (proof IS NOT NULL) OR (reveal IS NOT NULL))),
    CONSTRAINT proposals_refused_says_why CHECK (((state = 'refused'::text) = (why IS NOT NULL))),
    CONSTRAINT proposals_state CHECK ((state = ANY (ARRAY['waiting'::text, 'answered'::text, 'revealed'::text, 'linked'::text, 'added'::text, 'refused'::text])))
);

CREATE TABLE public.record_positions (
    idx bigint NOT NULL,
    record_id bigint NOT NULL
);

CREATE TABLE public.records (
    id bigint NOT NULL,
    class text NOT NULL,
    op text NOT NULL,
    outcome text NOT NULL,
    at_us bigint NOT NULL,
    actor bigint,
    service bytea,
    device bytea,
    channel_id bigint,
    seq bigint,
    object text,
    decision text NOT NULL,
    policy bigint NOT NULL,
    detail text,
    CONSTRAINT records_outcome CHECK ((outcome = ANY (ARRAY['ok'::text, 'denied'::text, 'intent'::text, 'done'::text, 'failed'::text])))
);

ALTER TABLE public.records ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.records_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.recovery_keys (
    account_id bigint NOT NULL,
    key bytea NOT NULL,
    wrap bytea NOT NULL,
    CONSTRAINT recovery_keys_key_size CHECK ((length(key) = 32))
);

CREATE TABLE public.river_job (
    id bigint NOT NULL,
    state public.river_job_state DEFAULT 'available'::public.river_job_state NOT NULL,
    attempt smallint DEFAULT 0 NOT NULL,
    max_attempts smallint DEFAULT 25 NOT NULL,
    attempted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finalized_at timestamp with time zone,
    scheduled_at timestamp with time zone DEFAULT now() NOT NULL,
    priority smallint DEFAULT 1 NOT NULL,
    args jsonb NOT NULL,
    attempted_by text[],
    errors jsonb[],
    kind text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    tags character varying(255)[] DEFAULT '{}'::character varying[] NOT NULL,
    unique_key bytea,
    unique_states bit(8),
    CONSTRAINT finalized_or_finalized_at_null CHECK ((((finalized_at IS NULL) AND (state <> ALL (ARRAY['cancelled'::public.river_job_state, 'completed'::public.river_job_state, 'discarded'::public.river_job_state]))) OR ((finalized_at IS NOT NULL) AND (state = ANY (ARRAY['cancelled'::public.river_job_state, 'completed'::public.river_job_state, 'discarded'::public.river_job_state]))))),
    CONSTRAINT kind_length CHECK (((char_length(kind) > 0) AND (char_length(kind) < 128))),
    CONSTRAINT max_attempts_is_positive CHECK ((max_attempts > 0)),
    CONSTRAINT priority_in_range CHECK (((priority >= 1) AND (priority <= 4))),
    CONSTRAINT queue_length CHECK (((char_length(queue) > 0) AND (char_length(queue) < 128)))
);

CREATE SEQUENCE public.river_job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.river_job_id_seq OWNED BY public.river_job.id;

CREATE UNLOGGED TABLE public.river_leader (
    elected_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    leader_id text NOT NULL,
    name text DEFAULT 'default'::text NOT NULL,
    CONSTRAINT leader_id_length CHECK (((char_length(leader_id) > 0) AND (char_length(leader_id) < 128))),
    CONSTRAINT name_length CHECK ((name = 'default'::text))
);

CREATE TABLE public.river_notification (
    id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    payload text NOT NULL,
    topic text NOT NULL,
    CONSTRAINT topic_length CHECK (((length(topic) > 0) AND (length(topic) < 128)))
);

CREATE SEQUENCE public.river_notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.river_notification_id_seq OWNED BY public.river_notification.id;

CREATE TABLE public.river_queue (
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    paused_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

CREATE TABLE public.rules (
    id text NOT NULL,
    revision bigint NOT NULL,
    hash bytea NOT NULL,
    order_bytes bytea NOT NULL,
    channel bytea,
    min_retain bigint NOT NULL,
    max_retain bigint NOT NULL,
    locked boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT rules_channel_size CHECK ((length(channel) = 32)),
    CONSTRAINT rules_hash_size CHECK ((length(hash) = 32)),
    CONSTRAINT rules_id_form CHECK ((id ~ '^[a-z0-9][a-z0-9-]{0,62}$'::text)),
    CONSTRAINT rules_max CHECK ((max_retain >= 0)),
    CONSTRAINT rules_min CHECK ((min_retain >= 0))
);

CREATE TABLE public.schedules (
    id text NOT NULL,
    revision bigint NOT NULL,
    hash bytea NOT NULL,
    order_bytes bytea NOT NULL,
    requested_by bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    not_after timestamp with time zone NOT NULL,
    active_at timestamp with time zone,
    due_at timestamp with time zone,
    CONSTRAINT schedules_due_is_active CHECK (((due_at IS NULL) OR (active_at IS NOT NULL))),
    CONSTRAINT schedules_id_form CHECK ((id ~ '^[a-z0-9][a-z0-9-]{0,62}$'::text))
);

CREATE TABLE public.sessions (
    id bigint NOT NULL,
    token_hash bytea NOT NULL,
    account_id bigint,
    service_role text,
    service_key bytea,
    device bytea,
    connector text NOT NULL,
    amr text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    auth_time timestamp with time zone NOT NULL,
    active_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT sessions_person_or_service CHECK (((account_id IS NULL) = (service_key IS NOT NULL))),
    CONSTRAINT sessions_service_has_role CHECK (((service_key IS NULL) = (service_role IS NULL)))
);

ALTER TABLE public.sessions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sessions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.team_members (
    team_id bigint NOT NULL,
    account_id bigint NOT NULL,
    rank text NOT NULL,
    CONSTRAINT team_members_rank CHECK ((rank = ANY (ARRAY['owner'::text, 'member'::text])))
);

CREATE TABLE public.teams (
    id bigint NOT NULL,
    name text NOT NULL,
    title text NOT NULL,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE public.teams ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.teams_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.uploads (
    id bytea NOT NULL,
    channel_id bigint NOT NULL,
    account_id bigint NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    touched_at timestamp with time zone NOT NULL,
    stored_at timestamp with time zone,
    dropped_at timestamp with time zone,
    CONSTRAINT uploads_id_size CHECK ((length(id) = 16)),
    CONSTRAINT uploads_size CHECK ((size >= 0))
);

CREATE TABLE public.watch (
    only_one boolean DEFAULT true NOT NULL,
    last_us bigint NOT NULL,
    owed_us bigint NOT NULL,
    CONSTRAINT watch_only_one CHECK (only_one),
    CONSTRAINT watch_owed CHECK ((owed_us >= 0))
);

ALTER TABLE ONLY public.river_job ALTER COLUMN id SET DEFAULT nextval('public.river_job_id_seq'::regclass);

ALTER TABLE ONLY public.river_notification ALTER COLUMN id SET DEFAULT nextval('public.river_notification_id_seq'::regclass);

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_chain_unique UNIQUE (chain);

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_once_per_account UNIQUE (order_hash, account_id);

ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_once_per_person UNIQUE (order_hash, person);

ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_pkey PRIMARY KEY (order_hash, action);

ALTER TABLE ONLY public.blobs
    ADD CONSTRAINT blobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.channel_members
    ADD CONSTRAINT channel_members_pkey PRIMARY KEY (channel_id, account_id, joined_seq);

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_chain_unique UNIQUE (chain);

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_team_name_unique UNIQUE (team_id, name);

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (size);

ALTER TABLE ONLY public.confirmations
    ADD CONSTRAINT confirmations_pkey PRIMARY KEY (plan_id, recorder);

ALTER TABLE ONLY public.cosignatures
    ADD CONSTRAINT cosignatures_pkey PRIMARY KEY (cosigner, size);

ALTER TABLE ONLY public.device_numbers
    ADD CONSTRAINT device_numbers_pkey PRIMARY KEY (channel_id, device_id, dev_seq);

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT devices_key_unique UNIQUE (key);

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT devices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.duties
    ADD CONSTRAINT duties_pkey PRIMARY KEY (channel_id, recorder, since);

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_pkey PRIMARY KEY (channel_id, seq);

ALTER TABLE ONLY public.epoch_wraps
    ADD CONSTRAINT epoch_wraps_pkey PRIMARY KEY (recipient, channel_id, n);

ALTER TABLE ONLY public.epochs
    ADD CONSTRAINT epochs_pkey PRIMARY KEY (channel_id, n);

ALTER TABLE ONLY public.exports
    ADD CONSTRAINT exports_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.external_identities
    ADD CONSTRAINT external_identities_pkey PRIMARY KEY (connector, issuer, subject, kind);

ALTER TABLE ONLY public.generations
    ADD CONSTRAINT generations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.goose_db_version
    ADD CONSTRAINT goose_db_version_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.links
    ADD CONSTRAINT links_pkey PRIMARY KEY (chain, seq);

ALTER TABLE ONLY public.lockouts
    ADD CONSTRAINT lockouts_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.log_hashes
    ADD CONSTRAINT log_hashes_pkey PRIMARY KEY (i);

ALTER TABLE ONLY public.log_open
    ADD CONSTRAINT log_open_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY public.matters
    ADD CONSTRAINT matters_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.nonces
    ADD CONSTRAINT nonces_pkey PRIMARY KEY (nonce);

ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_once UNIQUE (channel_id, label, signer, about);

ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.organisation
    ADD CONSTRAINT organisation_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (generation);

ALTER TABLE ONLY public.proposals
    ADD CONSTRAINT proposals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.record_positions
    ADD CONSTRAINT record_positions_pkey PRIMARY KEY (idx);

ALTER TABLE ONLY public.record_positions
    ADD CONSTRAINT record_positions_record_unique UNIQUE (record_id);

ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.recovery_keys
    ADD CONSTRAINT recovery_keys_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY public.river_job
    ADD CONSTRAINT river_job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.river_leader
    ADD CONSTRAINT river_leader_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.river_notification
    ADD CONSTRAINT river_notification_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.river_queue
    ADD CONSTRAINT river_queue_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.rules
    ADD CONSTRAINT rules_hash_unique UNIQUE (hash);

ALTER TABLE ONLY public.rules
    ADD CONSTRAINT rules_pkey PRIMARY KEY (id, revision);

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_hash_unique UNIQUE (hash);

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (id, revision);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_token_unique UNIQUE (token_hash);

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_pkey PRIMARY KEY (team_id, account_id);

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_name_unique UNIQUE (name);

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.watch
    ADD CONSTRAINT watch_pkey PRIMARY KEY (only_one);

CREATE INDEX accounts_disabled ON public.accounts USING btree (disabled_at) WHERE (disabled_at IS NOT NULL);

CREATE INDEX accounts_username ON public.accounts USING btree (username);

CREATE INDEX blobs_entry ON public.blobs USING btree (channel_id, seq);

CREATE INDEX channel_members_account ON public.channel_members USING btree (account_id) WHERE (left_seq IS NULL);

CREATE UNIQUE INDEX channel_members_now ON public.channel_members USING btree (channel_id, account_id) WHERE (left_seq IS NULL);

CREATE INDEX checkpoints_time ON public.checkpoints USING btree (at_us);

CREATE INDEX cosignatures_size ON public.cosignatures USING btree (size);

CREATE INDEX device_numbers_refused ON public.device_numbers USING btree (channel_id) WHERE (seq IS NULL);

CREATE INDEX devices_account ON public.devices USING btree (account_id);

CREATE INDEX duties_recorder ON public.duties USING btree (recorder);

CREATE INDEX entries_coverage ON ONLY public.entries USING btree (channel_id, recorder, seq) WHERE (kind = 4);

CREATE INDEX entries_hash ON ONLY public.entries USING btree (channel_id, hash) WHERE (kind <> 2);

CREATE INDEX entries_links ON ONLY public.entries USING btree (channel_id, seq) WHERE (kind <> 2);

CREATE INDEX entries_received ON ONLY public.entries USING brin (recv_us);

CREATE INDEX entries_rules ON ONLY public.entries USING btree (channel_id, seq) WHERE (kind = ANY (ARRAY[1, 3]));

CREATE INDEX exports_open ON public.exports USING btree (cut_at) WHERE (state = ANY (ARRAY['cut'::text, 'writing'::text, 'sealed'::text, 'signed'::text]));

CREATE UNIQUE INDEX exports_ordinal ON public.exports USING btree (schedule_id, ordinal) WHERE (state <> 'failed'::text);

CREATE UNIQUE INDEX exports_period ON public.exports USING btree (schedule_id, from_idx) WHERE (state <> 'failed'::text);

CREATE INDEX holds_in_force ON public.holds USING btree (id) WHERE (state = ANY (ARRAY['active'::text, 'release_requested'::text, 'cooling'::text]));

CREATE INDEX notices_channel ON public.notices USING btree (channel_id, id);

CREATE INDEX plans_open ON public.plans USING btree (created_at) WHERE (state = ANY (ARRAY['running'::text, 'pending'::text]));

CREATE INDEX proposals_account ON public.proposals USING btree (account_id, created_at);

CREATE INDEX records_entry ON public.records USING btree (channel_id, seq) WHERE (seq IS NOT NULL);

CREATE INDEX river_job_args_index ON public.river_job USING gin (args);

CREATE INDEX river_job_kind ON public.river_job USING btree (kind);

CREATE INDEX river_job_metadata_index ON public.river_job USING gin (metadata);

CREATE INDEX river_job_prioritized_fetching_index ON public.river_job USING btree (state, queue, priority, scheduled_at, id);

CREATE INDEX river_job_state_and_finalized_at_index ON public.river_job USING btree (state, finalized_at) WHERE (finalized_at IS NOT NULL);

CREATE UNIQUE INDEX river_job_unique_idx ON public.river_job USING btree (unique_key) WHERE ((unique_key IS NOT NULL) AND (unique_states IS NOT NULL) AND public.river_job_state_in_bitmask(unique_states, state));

CREATE INDEX river_notification_created_at_idx ON public.river_notification USING btree (created_at);

CREATE INDEX river_notification_topic_id_idx ON public.river_notification USING btree (topic, id);

CREATE INDEX schedules_due ON public.schedules USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX sessions_account ON public.sessions USING btree (account_id) WHERE (revoked_at IS NULL);

CREATE INDEX team_members_account ON public.team_members USING btree (account_id);

CREATE INDEX uploads_account ON public.uploads USING btree (account_id);

CREATE TRIGGER rules_extend BEFORE INSERT ON public.rules FOR EACH ROW EXECUTE FUNCTION public.extend_rule();

ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.blobs
    ADD CONSTRAINT blobs_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.blobs
    ADD CONSTRAINT blobs_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id);

ALTER TABLE ONLY public.channel_members
    ADD CONSTRAINT channel_members_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.channel_members
    ADD CONSTRAINT channel_members_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id);

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);

ALTER TABLE ONLY public.confirmations
    ADD CONSTRAINT confirmations_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plans(id);

ALTER TABLE ONLY public.cosignatures
    ADD CONSTRAINT cosignatures_size_fkey FOREIGN KEY (size) REFERENCES public.checkpoints(size);

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT devices_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.duties
    ADD CONSTRAINT duties_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id);

ALTER TABLE public.epoch_wraps
    ADD CONSTRAINT epoch_wraps_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id);

ALTER TABLE ONLY public.epochs
    ADD CONSTRAINT epochs_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id);

ALTER TABLE ONLY public.exports
    ADD CONSTRAINT exports_previous_id_fkey FOREIGN KEY (previous_id) REFERENCES public.exports(id);

ALTER TABLE ONLY public.exports
    ADD CONSTRAINT exports_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.exports
    ADD CONSTRAINT exports_schedule_id_revision_fkey FOREIGN KEY (schedule_id, revision) REFERENCES public.schedules(id, revision);

ALTER TABLE ONLY public.external_identities
    ADD CONSTRAINT external_identities_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_matter_id_fkey FOREIGN KEY (matter_id) REFERENCES public.matters(id);

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_release_by_fkey FOREIGN KEY (release_by) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.matters
    ADD CONSTRAINT matters_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id);

ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.proposals
    ADD CONSTRAINT proposals_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.record_positions
    ADD CONSTRAINT record_positions_record_id_fkey FOREIGN KEY (record_id) REFERENCES public.records(id);

ALTER TABLE ONLY public.recovery_keys
    ADD CONSTRAINT recovery_keys_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id);

GRANT ALL ON SCHEMA public TO chancery_owner;

GRANT SELECT,INSERT ON TABLE public.accounts TO chancery_app;
GRANT SELECT ON TABLE public.accounts TO chancery_retention;
GRANT SELECT ON TABLE public.accounts TO chancery_export;

GRANT UPDATE(username) ON TABLE public.accounts TO chancery_app;

GRANT UPDATE(display_name) ON TABLE public.accounts TO chancery_app;

GRANT UPDATE(roles) ON TABLE public.accounts TO chancery_app;

GRANT UPDATE(groups) ON TABLE public.accounts TO chancery_app;

GRANT UPDATE(chain) ON TABLE public.accounts TO chancery_app;

GRANT UPDATE(source) ON TABLE public.accounts TO chancery_app;

GRANT UPDATE(fresh_at) ON TABLE public.accounts TO chancery_app;

GRANT UPDATE(disabled_at) ON TABLE public.accounts TO chancery_app;

GRANT UPDATE(disabled_by) ON TABLE public.accounts TO chancery_app;

GRANT UPDATE(last_login) ON TABLE public.accounts TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.approvals TO chancery_app;
GRANT SELECT ON TABLE public.approvals TO chancery_retention;
GRANT SELECT ON TABLE public.approvals TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.blobs TO chancery_app;
GRANT SELECT ON TABLE public.blobs TO chancery_retention;
GRANT SELECT ON TABLE public.blobs TO chancery_export;

GRANT UPDATE(disposed_at) ON TABLE public.blobs TO chancery_retention;

GRANT SELECT,INSERT ON TABLE public.channel_members TO chancery_app;
GRANT SELECT ON TABLE public.channel_members TO chancery_retention;
GRANT SELECT ON TABLE public.channel_members TO chancery_export;

GRANT UPDATE(rank) ON TABLE public.channel_members TO chancery_app;

GRANT UPDATE(left_seq) ON TABLE public.channel_members TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.channels TO chancery_app;
GRANT SELECT ON TABLE public.channels TO chancery_retention;
GRANT SELECT ON TABLE public.channels TO chancery_export;

GRANT UPDATE(archived_at) ON TABLE public.channels TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.checkpoints TO chancery_app;
GRANT SELECT ON TABLE public.checkpoints TO chancery_retention;
GRANT SELECT ON TABLE public.checkpoints TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.confirmations TO chancery_app;
GRANT SELECT ON TABLE public.confirmations TO chancery_retention;
GRANT SELECT ON TABLE public.confirmations TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.cosignatures TO chancery_app;
GRANT SELECT ON TABLE public.cosignatures TO chancery_retention;
GRANT SELECT ON TABLE public.cosignatures TO chancery_export;

GRANT UPDATE(at_s) ON TABLE public.cosignatures TO chancery_app;

GRANT UPDATE(line) ON TABLE public.cosignatures TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.device_numbers TO chancery_app;
GRANT SELECT ON TABLE public.device_numbers TO chancery_retention;
GRANT SELECT ON TABLE public.device_numbers TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.devices TO chancery_app;
GRANT SELECT ON TABLE public.devices TO chancery_retention;
GRANT SELECT ON TABLE public.devices TO chancery_export;

GRANT UPDATE(wrap) ON TABLE public.devices TO chancery_app;

GRANT UPDATE(revoked_at) ON TABLE public.devices TO chancery_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.duties TO chancery_app;
GRANT SELECT ON TABLE public.duties TO chancery_retention;
GRANT SELECT ON TABLE public.duties TO chancery_export;

GRANT UPDATE(until) ON TABLE public.duties TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.entries TO chancery_app;
GRANT SELECT ON TABLE public.entries TO chancery_retention;
GRANT SELECT ON TABLE public.entries TO chancery_export;

GRANT UPDATE(body) ON TABLE public.entries TO chancery_retention;

GRANT UPDATE(sealed_salt) ON TABLE public.entries TO chancery_retention;

GRANT SELECT,INSERT ON TABLE public.epoch_wraps TO chancery_app;
GRANT SELECT ON TABLE public.epoch_wraps TO chancery_retention;
GRANT SELECT ON TABLE public.epoch_wraps TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.epochs TO chancery_app;
GRANT SELECT ON TABLE public.epochs TO chancery_retention;
GRANT SELECT ON TABLE public.epochs TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.exports TO chancery_app;
GRANT SELECT ON TABLE public.exports TO chancery_retention;
GRANT SELECT ON TABLE public.exports TO chancery_export;

GRANT UPDATE(state) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(messages) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(exceptions) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(manifest) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(openings) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(key_commit) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(path) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(why) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(sealed_at) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(signed_at) ON TABLE public.exports TO chancery_app;

GRANT UPDATE(delivered_at) ON TABLE public.exports TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.external_identities TO chancery_app;
GRANT SELECT ON TABLE public.external_identities TO chancery_retention;
GRANT SELECT ON TABLE public.external_identities TO chancery_export;

GRANT SELECT,UPDATE ON TABLE public.generations TO chancery_app;
GRANT SELECT ON TABLE public.generations TO chancery_retention;
GRANT SELECT ON TABLE public.generations TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.holds TO chancery_app;
GRANT SELECT ON TABLE public.holds TO chancery_retention;
GRANT SELECT ON TABLE public.holds TO chancery_export;

GRANT UPDATE(state) ON TABLE public.holds TO chancery_app;

GRANT UPDATE(active_at) ON TABLE public.holds TO chancery_app;

GRANT UPDATE(messages) ON TABLE public.holds TO chancery_app;

GRANT UPDATE(root) ON TABLE public.holds TO chancery_app;

GRANT UPDATE(release_id) ON TABLE public.holds TO chancery_app;

GRANT UPDATE(release_bytes) ON TABLE public.holds TO chancery_app;

GRANT UPDATE(release_by) ON TABLE public.holds TO chancery_app;

GRANT UPDATE(released_at) ON TABLE public.holds TO chancery_app;

GRANT UPDATE(closed_at) ON TABLE public.holds TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.links TO chancery_app;
GRANT SELECT ON TABLE public.links TO chancery_retention;
GRANT SELECT ON TABLE public.links TO chancery_export;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.lockouts TO chancery_app;
GRANT SELECT ON TABLE public.lockouts TO chancery_retention;
GRANT SELECT ON TABLE public.lockouts TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.log_hashes TO chancery_app;
GRANT SELECT ON TABLE public.log_hashes TO chancery_retention;
GRANT SELECT ON TABLE public.log_hashes TO chancery_export;

GRANT SELECT,UPDATE ON TABLE public.log_open TO chancery_app;
GRANT SELECT ON TABLE public.log_open TO chancery_retention;
GRANT SELECT ON TABLE public.log_open TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.matters TO chancery_app;
GRANT SELECT ON TABLE public.matters TO chancery_retention;
GRANT SELECT ON TABLE public.matters TO chancery_export;

GRANT SELECT,INSERT,DELETE ON TABLE public.nonces TO chancery_app;
GRANT SELECT ON TABLE public.nonces TO chancery_retention;
GRANT SELECT ON TABLE public.nonces TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.notices TO chancery_app;
GRANT SELECT ON TABLE public.notices TO chancery_retention;
GRANT SELECT ON TABLE public.notices TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.organisation TO chancery_app;
GRANT SELECT ON TABLE public.organisation TO chancery_retention;
GRANT SELECT ON TABLE public.organisation TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.plans TO chancery_app;
GRANT SELECT ON TABLE public.plans TO chancery_retention;
GRANT SELECT ON TABLE public.plans TO chancery_export;

GRANT UPDATE(state) ON TABLE public.plans TO chancery_app;

GRANT UPDATE(started_at) ON TABLE public.plans TO chancery_app;

GRANT UPDATE(disposed) ON TABLE public.plans TO chancery_app;

GRANT UPDATE(finished_at) ON TABLE public.plans TO chancery_app;

GRANT UPDATE(certificate) ON TABLE public.plans TO chancery_app;

GRANT UPDATE(certified_at) ON TABLE public.plans TO chancery_app;

GRANT UPDATE(why) ON TABLE public.plans TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.policies TO chancery_app;
GRANT SELECT ON TABLE public.policies TO chancery_retention;
GRANT SELECT ON TABLE public.policies TO chancery_export;

GRANT SELECT,INSERT,DELETE ON TABLE public.proposals TO chancery_app;
GRANT SELECT ON TABLE public.proposals TO chancery_retention;
GRANT SELECT ON TABLE public.proposals TO chancery_export;

GRANT UPDATE(state) ON TABLE public.proposals TO chancery_app;

GRANT UPDATE(approver) ON TABLE public.proposals TO chancery_app;

GRANT UPDATE(chain_seq) ON TABLE public.proposals TO chancery_app;

GRANT UPDATE(chain_head) ON TABLE public.proposals TO chancery_app;

GRANT UPDATE(answer) ON TABLE public.proposals TO chancery_app;

GRANT UPDATE(proof) ON TABLE public.proposals TO chancery_app;

GRANT UPDATE(reveal) ON TABLE public.proposals TO chancery_app;

GRANT UPDATE(entry) ON TABLE public.proposals TO chancery_app;

GRANT UPDATE(wrap) ON TABLE public.proposals TO chancery_app;

GRANT UPDATE(why) ON TABLE public.proposals TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.record_positions TO chancery_app;
GRANT SELECT ON TABLE public.record_positions TO chancery_retention;
GRANT SELECT ON TABLE public.record_positions TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.records TO chancery_app;
GRANT SELECT,INSERT ON TABLE public.records TO chancery_retention;
GRANT SELECT ON TABLE public.records TO chancery_export;

GRANT SELECT,INSERT,DELETE ON TABLE public.recovery_keys TO chancery_app;
GRANT SELECT ON TABLE public.recovery_keys TO chancery_retention;
GRANT SELECT ON TABLE public.recovery_keys TO chancery_export;

GRANT UPDATE(key) ON TABLE public.recovery_keys TO chancery_app;

GRANT UPDATE(wrap) ON TABLE public.recovery_keys TO chancery_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.river_job TO chancery_app;
GRANT SELECT ON TABLE public.river_job TO chancery_retention;
GRANT SELECT ON TABLE public.river_job TO chancery_export;

GRANT USAGE ON SEQUENCE public.river_job_id_seq TO chancery_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.river_leader TO chancery_app;
GRANT SELECT ON TABLE public.river_leader TO chancery_retention;
GRANT SELECT ON TABLE public.river_leader TO chancery_export;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.river_notification TO chancery_app;
GRANT SELECT ON TABLE public.river_notification TO chancery_retention;
GRANT SELECT ON TABLE public.river_notification TO chancery_export;

GRANT USAGE ON SEQUENCE public.river_notification_id_seq TO chancery_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.river_queue TO chancery_app;
GRANT SELECT ON TABLE public.river_queue TO chancery_retention;
GRANT SELECT ON TABLE public.river_queue TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.rules TO chancery_app;
GRANT SELECT ON TABLE public.rules TO chancery_retention;
GRANT SELECT ON TABLE public.rules TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.schedules TO chancery_app;
GRANT SELECT ON TABLE public.schedules TO chancery_retention;
GRANT SELECT ON TABLE public.schedules TO chancery_export;

GRANT UPDATE(active_at) ON TABLE public.schedules TO chancery_app;

GRANT UPDATE(due_at) ON TABLE public.schedules TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.sessions TO chancery_app;
GRANT SELECT ON TABLE public.sessions TO chancery_retention;
GRANT SELECT ON TABLE public.sessions TO chancery_export;

GRANT UPDATE(token_hash) ON TABLE public.sessions TO chancery_app;

GRANT UPDATE(device) ON TABLE public.sessions TO chancery_app;

GRANT UPDATE(active_at) ON TABLE public.sessions TO chancery_app;

GRANT UPDATE(revoked_at) ON TABLE public.sessions TO chancery_app;

GRANT SELECT,INSERT ON TABLE public.team_members TO chancery_app;
GRANT SELECT ON TABLE public.team_members TO chancery_retention;
GRANT SELECT ON TABLE public.team_members TO chancery_export;

GRANT SELECT,INSERT ON TABLE public.teams TO chancery_app;
GRANT SELECT ON TABLE public.teams TO chancery_retention;
GRANT SELECT ON TABLE public.teams TO chancery_export;

GRANT SELECT,INSERT,DELETE ON TABLE public.uploads TO chancery_app;
GRANT SELECT ON TABLE public.uploads TO chancery_retention;
GRANT SELECT ON TABLE public.uploads TO chancery_export;

GRANT UPDATE(touched_at) ON TABLE public.uploads TO chancery_app;

GRANT UPDATE(stored_at) ON TABLE public.uploads TO chancery_app;

GRANT UPDATE(dropped_at) ON TABLE public.uploads TO chancery_app;

GRANT SELECT ON TABLE public.watch TO chancery_app;
GRANT SELECT ON TABLE public.watch TO chancery_retention;
GRANT SELECT ON TABLE public.watch TO chancery_export;

GRANT UPDATE(last_us) ON TABLE public.watch TO chancery_app;

GRANT UPDATE(owed_us) ON TABLE public.watch TO chancery_app;
-- partitions of entries: 32
-- partitions of epoch_wraps: 8
