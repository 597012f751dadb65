/* What a disk would still have after a power cut: preloaded into the daemon by the kill campaign.
 *
 * Files of the folder POWERCUT_LIVE are shadowed in POWERCUT_DURABLE. A write reaches the shadow only when its file is
 * synced; so after SIGKILL the shadow is what a machine that lost its power would find. Names: a new file's name lasts
 * with its first fsync, a removal with the fsync of the folder. POWERCUT_FSYNC_US makes each sync slow, as on real disks.
 *
 * What another process left unsynced becomes durable with the file's first sync in this one, as in the kernel: so each
 * process copies a file whole at its first sync, and only what it wrote itself after that.
 *
 * No descriptor of a live file is opened or closed here: that would drop the POSIX locks that SQLite holds.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS 4096
#define FILES 64
#define NAME 128

struct range {
    off_t from, until;
};

struct file {
    char name[NAME];
    int shadow;  /* descriptor in POWERCUT_DURABLE, -1 until the first sync */
    int whole;   /* everything is unsynced: copy all of it */
    struct range *unsynced;
    size_t count, room;
};

static struct file files[FILES];
static int known;
static struct file *of[DESCRIPTORS];
static char is_folder[DESCRIPTORS];
static char live[PATH_MAX], durable[PATH_MAX];
static size_t live_length;
static useconds_t slow_us;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);

static void die(const char *why) {
    fprintf(stderr, "powercut: %s: %s\n", why, strerror(errno));
    abort();
}

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open");
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_rename = dlsym(RTLD_NEXT, "rename");
    const char *from = getenv("POWERCUT_LIVE"), *to = getenv("POWERCUT_DURABLE"), *us = getenv("POWERCUT_FSYNC_US");
    if (from == NULL || to == NULL) return;
    snprintf(durable, sizeof durable, "%s", to);
    snprintf(live, sizeof live, "%s", from);
    live_length = strlen(live);
    slow_us = us == NULL ? 0 : (useconds_t)atoi(us);
}

/* The part of path behind the live folder; NULL if it is elsewhere, "" for the folder itself. */
static const char *within(const char *path) {
    if (live_length == 0 || path == NULL || strncmp(path, live, live_length) != 0) return NULL;
    if (path[live_length] == '\0') return "";
    if (path[live_length] != '/' || strchr(path + live_length + 1, '/') != NULL) return NULL;
    return path + live_length + 1;
}

static struct file *file_named(const char *name) {
    for (int i = 0; i < known; i++)
        if (strcmp(files[i].name, name) == 0) return &files[i];
    if (known == FILES || strlen(name) >= NAME) die("too many files, or too long a name");
    struct file *file = &files[known++];
    strcpy(file->name, name);
    file->shadow = -1;
    file->whole = 1;
    return file;
}

static int opened(int fd, const char *path, int flags) {
    const char *name = within(path);
    if (fd < 0 || name == NULL) return fd;
    if (fd >= DESCRIPTORS) die("a descriptor is too high");
    pthread_mutex_lock(&lock);
    if (*name == '\0') {
        is_folder[fd] = 1;
    } else {
        of[fd] = file_named(name);
        if (flags & O_TRUNC) of[fd]->whole = 1;
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static void written(int fd, off_t from, ssize_t length) {
    if (length <= 0 || fd < 0 || fd >= DESCRIPTORS || of[fd] == NULL) return;
    pthread_mutex_lock(&lock);
    struct file *file = of[fd];
    if (file != NULL && !file->whole) {
        struct range *last = file->count ? &file->unsynced[file->count - 1] : NULL;
        if (last != NULL && last->until == from) {
            last->until = from + length;
        } else {
            if (file->count == file->room) {
                file->room = file->room ? 2 * file->room : 64;
                file->unsynced = realloc(file->unsynced, file->room * sizeof *file->unsynced);
                if (file->unsynced == NULL) die("no memory");
            }
            file->unsynced[file->count++] = (struct range){from, from + length};
        }
    }
    pthread_mutex_unlock(&lock);
}

static void copy(int from, int to, off_t at, off_t until) {
    static char buffer[1 << 16];
    while (at < until) {
        size_t most = until - at < (off_t)sizeof buffer ? (size_t)(until - at) : sizeof buffer;
        ssize_t got = pread(from, buffer, most, at);
        if (got < 0) die("cannot read back");
        if (got == 0) return; /* truncated since */
        for (ssize_t put = 0; put < got;) {
            ssize_t n = real_pwrite(to, buffer + put, (size_t)(got - put), at + put);
            if (n < 0) die("cannot write the shadow");
            put += n;
        }
        at += got;
    }
}

static void file_is_durable(int fd, struct file *file) {
    char path[2 * PATH_MAX];
    struct stat now;
    if (fstat(fd, &now) != 0) die("cannot stat");
    if (file->shadow < 0) {
        snprintf(path, sizeof path, "%s/%s", durable, file->name);
        file->shadow = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file->shadow < 0) die("cannot open the shadow");
    }
    if (file->whole) {
        copy(fd, file->shadow, 0, now.st_size);
    } else {
        for (size_t i = 0; i < file->count; i++) copy(fd, file->shadow, file->unsynced[i].from, file->unsynced[i].until);
    }
    if (real_ftruncate(file->shadow, now.st_size) != 0) die("cannot cut the shadow");
    file->whole = 0;
    file->count = 0;
}

static void folder_is_durable(void) {
    char path[2 * PATH_MAX];
    DIR *folder = opendir(durable);
    if (folder == NULL) die("cannot list the shadows");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", live, entry->d_name);
        if (access(path, F_OK) == 0 || entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", durable, entry->d_name);
        real_unlink(path);
    }
    closedir(folder);
}

static int synced(int fd, int result) {
    if (result != 0 || fd < 0 || fd >= DESCRIPTORS || (of[fd] == NULL && !is_folder[fd])) return result;
    if (slow_us > 0) usleep(slow_us);
    pthread_mutex_lock(&lock);
    if (is_folder[fd]) folder_is_durable();
    else if (of[fd] != NULL) file_is_durable(fd, of[fd]);
    pthread_mutex_unlock(&lock);
    return result;
}

/* --- what the daemon calls --- */

#define MODE(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return opened(real_open(path, flags, mode), path, flags);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return opened(real_open(path, flags, mode), path, flags);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return opened(real_openat(folder, path, flags, mode), path, flags);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return opened(real_openat(folder, path, flags, mode), path, flags);
}

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS) {
        pthread_mutex_lock(&lock);
        of[fd] = NULL;
        is_folder[fd] = 0;
        pthread_mutex_unlock(&lock);
    }
    return real_close(fd);
}

ssize_t write(int fd, const void *data, size_t length) {
    ssize_t n = real_write(fd, data, length);
    if (n > 0 && fd >= 0 && fd < DESCRIPTORS && of[fd] != NULL) written(fd, lseek(fd, 0, SEEK_CUR) - n, n);
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
    ssize_t n = real_pwrite(fd, data, length, at);
    written(fd, at, n);
    return n;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) {
    return pwrite(fd, data, length, at);
}

int ftruncate(int fd, off_t length) {
    int result = real_ftruncate(fd, length);
    if (result == 0 && fd >= 0 && fd < DESCRIPTORS && of[fd] != NULL) {
        pthread_mutex_lock(&lock);
        if (of[fd] != NULL) of[fd]->whole = 1; /* what was cut off and grew again is zeros now */
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int ftruncate64(int fd, off_t length) {
    return ftruncate(fd, length);
}

int fsync(int fd) {
    return synced(fd, real_fsync(fd));
}

int fdatasync(int fd) {
    return synced(fd, real_fdatasync(fd));
}

int unlink(const char *path) {
    int result = real_unlink(path);
    const char *name = within(path);
    if (result == 0 && name != NULL && *name != '\0') {
        pthread_mutex_lock(&lock);
        struct file *file = file_named(name);
        if (file->shadow >= 0) real_close(file->shadow);
        file->shadow = -1;
        file->whole = 1;
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int rename(const char *from, const char *to) {
    if (within(from) != NULL || within(to) != NULL) {
        errno = ENOTSUP;
        die("nobody has taught the shim what a rename means; the store made none when it was written");
    }
    return real_rename(from, to);
}
