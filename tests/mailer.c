// Sends the mails of a file over a few connections that it keeps, one after the other on each; prints how many were
// answered 250, how many otherwise, how long all took, and the median and the 99th percentile of the time from a mail's
// end to its answer, in milliseconds.
//
//   mailer PORT FILE RECIPIENT CONNECTIONS SECONDS
//
// FILE: for each mail the length of its sender (2 octets, little-endian), the sender, the length of what follows DATA
// (4 octets), and that, dots doubled, with the mark of the end. It ends with the file, or when SECONDS are over.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_CONNECTIONS 64

static uint8_t *all, *next;
static size_t octets;
static double until, *took;
static uint64_t kept, refused;
static int port;
static const char *recipient;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void fail(const char *why) {
    fprintf(stderr, "mailer: %s\n", why);
    exit(1);
}

static void say(int sock, const void *words, size_t length) {
    for (const char *at = words; length;) {
        ssize_t sent = send(sock, at, length, MSG_NOSIGNAL);
        if (sent <= 0) fail("the connection broke while sending");
        at += sent, length -= sent;
    }
}

// Reads so many replies, each maybe of several lines; the class of the last (2 for 250).
static int hear(int sock, int replies) {
    static __thread char text[8192];
    size_t have = 0;
    for (;;) {
        char *line = text, *end;
        int whole = 0, class = 0;
        while ((end = memchr(line, '\n', text + have - line))) {
            if (end - line >= 4 && line[3] == ' ') whole++, class = line[0] - '0';
            line = end + 1;
        }
        if (whole >= replies) return class;
        if (have == sizeof text) fail("a reply too long");
        ssize_t got = recv(sock, text + have, sizeof text - have, 0);
        if (got <= 0) fail("the connection broke while waiting for a reply");
        have += got;
    }
}

static int take(uint8_t **sender, unsigned *sender_length, uint8_t **body, uint32_t *body_length) {
    pthread_mutex_lock(&lock);
    int is = next < all + octets && now() < until;
    if (is) {
        *sender_length = next[0] | next[1] << 8;
        *sender = next + 2;
        memcpy(body_length, *sender + *sender_length, 4);
        *body = *sender + *sender_length + 4;
        next = *body + *body_length;
    }
    pthread_mutex_unlock(&lock);
    return is;
}

static void *session(void *none) {
    int sock = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(sock, (struct sockaddr *)&to, sizeof to)) fail("nobody listens");
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    hear(sock, 1);
    say(sock, "EHLO bench.example\r\n", 20);
    hear(sock, 1);
    uint8_t *sender, *body;
    unsigned sender_length;
    uint32_t body_length;
    char words[2048];
    while (take(&sender, &sender_length, &body, &body_length)) {
        int length = snprintf(words, sizeof words, "MAIL FROM:<%.*s>\r\nRCPT TO:<%s>\r\nDATA\r\n", (int)sender_length,
                              sender, recipient);
        say(sock, words, length);
        if (hear(sock, 3) != 3) fail("DATA was refused");
        say(sock, body, body_length);
        double at = now();
        int class = hear(sock, 1);
        at = now() - at;
        pthread_mutex_lock(&lock);
        if (class == 2) took[kept++] = at;
        else refused++;
        pthread_mutex_unlock(&lock);
    }
    say(sock, "QUIT\r\n", 6);
    hear(sock, 1);
    close(sock);
    return none;
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    port = atoi(argv[1]), recipient = argv[3];
    int file = open(argv[2], O_RDONLY), connections = atoi(argv[4]);
    struct stat is;
    if (file < 0 || fstat(file, &is) || !is.st_size || connections < 1 || connections > MOST_CONNECTIONS) return 1;
    octets = is.st_size;
    all = next = mmap(0, octets, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    took = calloc(octets / 7 + 1, sizeof *took);
    if (all == MAP_FAILED || !took) return 1;
    double began = now();
    until = began + atof(argv[5]);
    pthread_t threads[MOST_CONNECTIONS];
    for (int i = 0; i < connections; i++) pthread_create(&threads[i], 0, session, 0);
    for (int i = 0; i < connections; i++) pthread_join(threads[i], 0);
    double seconds = now() - began;
    qsort(took, kept, sizeof *took, by_size);
    double half = kept ? took[kept / 2] : 0, most = kept ? took[(uint64_t)(kept * 0.99)] : 0;
    printf("%llu %llu %.3f %.2f %.2f\n", (unsigned long long)kept, (unsigned long long)refused, seconds, half * 1e3,
           most * 1e3);
    return 0;
}
