-- Reelway's columns of product_videos, also where the application has made some of them already, and the rules of their
-- states.

alter table product_videos
    add column if not exists social_ready_url text,
    add column if not exists social_ready_status text,
    add column if not exists social_ready_at timestamptz,
    add column if not exists social_ready_error text,
    add column if not exists social_ready_progress real,
    add column if not exists social_ready_stage text,
    add column if not exists social_ready_attempts int not null default 0,
    add column if not exists social_ready_next_attempt_at timestamptz,
    add column if not exists social_ready_lease_owner text,
    add column if not exists social_ready_lease_until timestamptz,
    add column if not exists social_ready_fence bigint not null default 0,
    add column if not exists social_ready_report jsonb;

-- The application's own rules for these columns give way to the ones below.
do $$
declare
    rule name;
begin
    for rule in
        select c.conname
        from pg_constraint c
        where c.conrelid = 'product_videos'::regclass and c.contype = 'c' and cardinality(c.conkey) > 0 and not exists (
            select from unnest(c.conkey) k
            join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k
            where a.attname not like 'social\_ready\_%')
    loop
        execute format('alter table product_videos drop constraint %I', rule);
    end loop;
end
$$;

-- An enumeration or a time without a zone becomes what Reelway writes.
do $$
declare
    other record;
begin
    for other in
        select a.attname as name, w.type as wanted, format_type(a.atttypid, null) as type
        from pg_attribute a
        join (values
            ('social_ready_url', 'text'), ('social_ready_status', 'text'), ('social_ready_error', 'text'),
            ('social_ready_at', 'timestamp with time zone')) w (name, type) on w.name = a.attname
        where a.attrelid = 'product_videos'::regclass and format_type(a.atttypid, null) <> w.type
    loop
        execute format('alter table product_videos alter column %I drop default', other.name);
        execute format(
            'alter table product_videos alter column %1$I type %2$s using %1$I::%2$s', other.name, other.wanted);
    end loop;
end
$$;

-- Rows from before Reelway: what is finished stays finished, what has failed stays failed. The rest, and what was begun by
-- something that died since, waits to be asked for.
update product_videos v
set social_ready_status = m.status,
    social_ready_at = case when m.status = 'ready' then coalesce(v.social_ready_at, now()) else v.social_ready_at end,
    social_ready_error = case
        when m.status = 'failed' then coalesce(v.social_ready_error, 'internal: failed before Reelway was there; retry it')
        else v.social_ready_error end
from (
    select
        ctid as place,
        case
            when social_ready_status in ('pending', 'failed') then social_ready_status
            when social_ready_status = 'processing' then 'pending'
            when social_ready_url <> '' then 'ready'
            when social_ready_status is null or social_ready_error is null then 'pending'
            when social_ready_status = 'ready' then 'pending'
            else 'failed'
        end as status
    from product_videos) m
where m.place = v.ctid and (
    v.social_ready_status is distinct from m.status
    or m.status = 'ready' and v.social_ready_at is null
    or m.status = 'failed' and v.social_ready_error is null);

alter table product_videos
    alter column social_ready_status set default 'pending',
    alter column social_ready_status set not null,
    add constraint reelway_status check (social_ready_status in ('pending', 'processing', 'ready', 'failed')),
    add constraint reelway_ready check (
        social_ready_status <> 'ready' or social_ready_url is not null and social_ready_at is not null),
    add constraint reelway_failed check (social_ready_status <> 'failed' or social_ready_error is not null),
    add constraint reelway_lease check (
        (social_ready_status = 'processing') = (social_ready_lease_owner is not null)
        and (social_ready_lease_owner is null) = (social_ready_lease_until is null)),
    add constraint reelway_queue check (social_ready_next_attempt_at is null or social_ready_status = 'pending'),
    add constraint reelway_progress check (social_ready_progress between 0 and 1),
    add constraint reelway_counters check (social_ready_attempts >= 0 and social_ready_fence >= 0);
