-- An application that has made some of the columns itself may have said which of them can be null: the triggers and the
-- statements need it to be these.

alter table product_videos
    alter column social_ready_url drop not null,
    alter column social_ready_at drop not null,
    alter column social_ready_error drop not null,
    alter column social_ready_progress drop not null,
    alter column social_ready_stage drop not null,
    alter column social_ready_next_attempt_at drop not null,
    alter column social_ready_lease_owner drop not null,
    alter column social_ready_lease_until drop not null,
    alter column social_ready_report drop not null;

update product_videos
set social_ready_attempts = coalesce(social_ready_attempts, 0), social_ready_fence = coalesce(social_ready_fence, 0)
where social_ready_attempts is null or social_ready_fence is null;

alter table product_videos
    alter column social_ready_attempts set default 0,
    alter column social_ready_attempts set not null,
    alter column social_ready_fence set default 0,
    alter column social_ready_fence set not null;
