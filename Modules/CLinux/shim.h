// Linux's sched_setattr and sched_getattr, which glibc 2.36 has no functions for, and renameat2 and sync_file_range,
// which it shows only to _GNU_SOURCE; syscall is variadic, which Swift can't import.
#pragma once

#include <linux/fs.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

// Nanoseconds the calling thread may run in one go; 0: not known.
static inline unsigned long long reelway_thread_slice(void) {
    struct sched_attr attr = {.size = sizeof attr};
    return syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) == 0 ? attr.sched_runtime : 0;
}

// Sets it for the calling thread and those it starts from now on; all else of its scheduling stays.
static inline void reelway_set_thread_slice(unsigned long long nanoseconds) {
    struct sched_attr attr = {.size = sizeof attr};
    if (syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) != 0) return;
    attr.sched_runtime = nanoseconds;
    syscall(SYS_sched_setattr, 0, &attr, 0);
}

// Renames a file of a folder (AT_FDCWD: the current one) to a name that must be free; -1 and errno where it isn't or the
// file system can't promise that.
static inline int reelway_rename_new(int folder, const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, folder, from, folder, to, RENAME_NOREPLACE);
}

// Has the kernel begin to put bytes of a file on the disk, without waiting for them.
static inline void reelway_begin_writing(int descriptor, long long offset, long long count) {
    syscall(SYS_sync_file_range, descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}
