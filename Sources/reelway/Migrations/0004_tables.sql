-- Reelway's own tables. On Supabase a table of this schema is open to the world through its API, and these hold a token:
-- row level security without any policy, and no rights, keep everyone out but the owner.

-- One row for each secret that changes by itself, and who is changing it.
create table if not exists reelway_secrets (
    name text primary key,
    value text,
    updated_at timestamptz not null default now(),
    lease_owner text,
    lease_until timestamptz
);

-- What was written or begun in the object store, so that nothing stays there that no row refers to.
create table if not exists reelway_objects (
    video_id text not null,
    fence bigint not null,
    key text not null,
    upload_id text,
    finished boolean not null default false,
    created_at timestamptz not null default now(),
    primary key (video_id, fence, key)
);

do $$
declare
    own text;
    outsider name;
begin
    foreach own in array array['reelway_migrations', 'reelway_secrets', 'reelway_objects'] loop
        execute format('alter table %I enable row level security', own);
        execute format('revoke all on %I from public', own);
        for outsider in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
            execute format('revoke all on %I from %I', own, outsider);
        end loop;
    end loop;
end
$$;
