-- A sweep looks at what is unfinished and at nothing else: of a video that is ready one note stays for as long as its object.
alter table reelway_objects add column if not exists removed_at timestamptz;

create index if not exists reelway_objects_unfinished on reelway_objects (created_at) where not finished;

update reelway_objects o set finished = false
from product_videos v
where o.finished and o.video_id = v.id::text and v.social_ready_status = 'ready' and v.social_ready_fence <> o.fence;
