-- The queue's two ends: what is due, in its order, and leases, in the order in which they run out.

create index if not exists product_videos_social_ready_waiting on product_videos (social_ready_next_attempt_at)
    where social_ready_status = 'pending' and social_ready_next_attempt_at is not null;

create index if not exists product_videos_social_ready_leases on product_videos (social_ready_lease_until)
    where social_ready_status = 'processing';
