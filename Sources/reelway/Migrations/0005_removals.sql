-- Until when whoever writes the key has to wait: what is left of an earlier attempt is being removed there.
alter table reelway_objects add column if not exists removing_until timestamptz;
