/* A disk that refuses or is slow: preloaded into the daemon by the tests of disk faults.
 *
 * Concerns files below the folder BADDISK_LIVE. While the folder BADDISK_MOODS holds a file "readonly", what would
 * change a file fails with EROFS, as on a file system that the kernel has remounted after an error; "failing": EIO;
 * "slow": each sync takes 300 ms. (A real remount is refused while a file is open for writing.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int concerns(int descriptor) {
    const char *live = getenv("BADDISK_LIVE");
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = live ? readlink(link, path, sizeof path - 1) : -1;
    return length > 0 && strncmp(path, live, strlen(live)) == 0;
}

static int in_mood(const char *mood) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", getenv("BADDISK_MOODS"), mood);
    return access(path, F_OK) == 0;
}

static int refuses(int descriptor) {
    if (!concerns(descriptor))
        return 0;
    if (in_mood("readonly"))
        return errno = EROFS;
    if (in_mood("failing"))
        return errno = EIO;
    return 0;
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t at) {
    return refuses(descriptor) ? -1 : REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(descriptor, data, size, at);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at) {
    return refuses(descriptor) ? -1 : REAL(ssize_t, pwrite, int, const void *, size_t, off_t)(descriptor, data, size, at);
}

int ftruncate64(int descriptor, off64_t length) {
    return refuses(descriptor) ? -1 : REAL(int, ftruncate64, int, off64_t)(descriptor, length);
}

static int synced(int descriptor, int (*sync)(int)) {
    if (refuses(descriptor))
        return -1;
    if (concerns(descriptor) && in_mood("slow"))
        usleep(300000);
    return sync(descriptor);
}

int fsync(int descriptor) { return synced(descriptor, REAL(int, fsync, int)); }
int fdatasync(int descriptor) { return synced(descriptor, REAL(int, fdatasync, int)); }
