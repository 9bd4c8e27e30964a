-- The application's table, where there is no application: the demo and tests.

create table if not exists product_videos (
    id uuid primary key default gen_random_uuid(),
    product_id text,
    onedrive_file_id text,
    onedrive_drive_id text,
    filename text,
    created_at timestamptz not null default now()
);

create index if not exists product_videos_product_id on product_videos (product_id);
