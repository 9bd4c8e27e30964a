-- Whoever writes a row, in whatever order, leaves it in a state that Reelway knows, and whoever asks for a transcode by
-- writing is heard even when no call follows.

create or replace function reelway_video_written() returns trigger
language plpgsql
set search_path = ''
as $$
declare
    asks boolean := false;
begin
    new.social_ready_status := coalesce(new.social_ready_status, 'pending');
    if tg_op = 'INSERT' then
        asks := new.social_ready_status = 'pending';
    elsif new.onedrive_file_id is distinct from old.onedrive_file_id
        and new.social_ready_status is not distinct from old.social_ready_status
    then
        -- Another source: what was made of the one before isn't this video.
        new.social_ready_status := 'pending';
        new.social_ready_next_attempt_at := null;
        asks := true;
    elsif new.social_ready_status = 'pending' then
        -- A worker that puts a video back gives up its lease in the same write. Anyone else just writes the status.
        asks := case old.social_ready_status
            when 'pending' then old.social_ready_next_attempt_at is null
            else new.social_ready_lease_owner is not distinct from old.social_ready_lease_owner end;
    end if;

    if new.social_ready_status = 'pending' then
        if asks then
            new.social_ready_attempts := 0;
            new.social_ready_error := null;
            new.social_ready_next_attempt_at := coalesce(new.social_ready_next_attempt_at, now());
        end if;
        if new.onedrive_file_id is null then
            new.social_ready_next_attempt_at := null;
        end if;
        new.social_ready_url := null;
        new.social_ready_at := null;
        new.social_ready_report := null;
    else
        new.social_ready_next_attempt_at := null;
    end if;

    if new.social_ready_status = 'processing' then
        -- A program from before Reelway that does the work itself: it has a quarter of an hour.
        if new.social_ready_lease_owner is null then
            new.social_ready_lease_owner := 'application';
            new.social_ready_lease_until := now() + interval '15 minutes';
        end if;
        new.social_ready_progress := coalesce(new.social_ready_progress, 0);
    else
        new.social_ready_lease_owner := null;
        new.social_ready_lease_until := null;
        new.social_ready_stage := null;
        new.social_ready_progress := case when new.social_ready_status = 'ready' then 1 end;
    end if;

    if new.social_ready_status = 'ready' then
        new.social_ready_at := coalesce(new.social_ready_at, now());
        new.social_ready_error := null;
    elsif new.social_ready_status = 'failed' then
        new.social_ready_error := coalesce(new.social_ready_error, 'cancelled: the application gave the video up');
    end if;
    return new;
end
$$;

drop trigger if exists reelway_written on product_videos;
create trigger reelway_written before insert or update of social_ready_status, onedrive_file_id on product_videos
    for each row execute function reelway_video_written();

create or replace function reelway_video_changed() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform pg_notify('social_ready', json_build_object(
        'id', new.id::text, 'status', new.social_ready_status, 'progress', new.social_ready_progress)::text);
    return null;
end
$$;

drop trigger if exists reelway_inserted on product_videos;
create trigger reelway_inserted after insert on product_videos
    for each row when (new.social_ready_next_attempt_at is not null)
    execute function reelway_video_changed();

-- Only what a watcher or a waiting worker wants to know: not each renewal of a lease.
drop trigger if exists reelway_changed on product_videos;
create trigger reelway_changed
    after update of social_ready_status, social_ready_progress, social_ready_stage, social_ready_next_attempt_at,
        onedrive_file_id on product_videos
    for each row when (
        (old.social_ready_status, old.social_ready_progress, old.social_ready_stage, old.social_ready_next_attempt_at)
        is distinct from
        (new.social_ready_status, new.social_ready_progress, new.social_ready_stage, new.social_ready_next_attempt_at))
    execute function reelway_video_changed();
