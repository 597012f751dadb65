// Sends v2c traps with sendmmsg as fast as it can, or at a given rate; prints how many the kernel took.
//
//   flood PORT SECONDS RATE UNIQUE [COUNT]
//
// RATE 0: no pause. UNIQUE 1: every trap has a trap OID of its own (1.3.6.1.4.1.99999.0.N), else all say the same under
// other request ids and times. COUNT ends it early.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define SIZE 75

// SEQUENCE { 1, "public", [7] { request id (4), 0, 0, { { sysUpTime.0, TimeTicks (4) }, { snmpTrapOID.0, OID } } } }
static const uint8_t trap[SIZE] = {
    0x30, 73, 0x02, 1, 1, 0x04, 6, 'p', 'u', 'b', 'l', 'i', 'c', 0xa7, 60, 0x02, 4, 0x01, 0, 0, 0, 0x02, 1, 0, 0x02, 1, 0,
    0x30, 46, 0x30, 16, 0x06, 8, 0x2b, 6, 1, 2, 1, 1, 3, 0, 0x43, 4, 0x01, 0, 0, 0,
    0x30, 26, 0x06, 10, 0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0, 0x06, 12, 0x2b, 6, 1, 4, 1, 0x86, 0x8d, 0x1f, 0, 0x81, 0x80, 0x00,
};
enum { REQUEST = 17, TICKS = 43, ARC = 72 };

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void number(uint8_t *where, uint32_t value) {
    where[0] = 1, where[1] = value >> 16, where[2] = value >> 8, where[3] = value;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    double seconds = atof(argv[2]), rate = atof(argv[3]);
    int unique = atoi(argv[4]);
    uint64_t most = argc > 5 ? strtoull(argv[5], 0, 10) : UINT64_MAX, sent = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to)) return 1;
    static uint8_t data[BATCH][SIZE];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        memcpy(data[i], trap, SIZE);
        parts[i] = (struct iovec){data[i], SIZE};
        messages[i].msg_hdr.msg_iov = &parts[i], messages[i].msg_hdr.msg_iovlen = 1;
    }
    double began = now();
    while (sent < most && now() - began < seconds) {
        int batch = most - sent < BATCH ? (int)(most - sent) : BATCH;
        for (int i = 0; i < batch; i++) {
            uint32_t n = (uint32_t)(sent + i);
            number(data[i] + REQUEST, n), number(data[i] + TICKS, n);
            if (unique) {  // 21 bits, base 128
                data[i][ARC] = 0x80 | (1 + (n >> 14 & 0x3f)), data[i][ARC + 1] = 0x80 | (n >> 7 & 0x7f);
                data[i][ARC + 2] = n & 0x7f;
            }
        }
        int took = sendmmsg(sock, messages, batch, 0);
        if (took > 0) sent += took;
        if (rate > 0) {
            double ahead = sent / rate - (now() - began);
            if (ahead > 0.001) nanosleep(&(struct timespec){0, (long)(ahead * 1e9)}, 0);
        }
    }
    printf("%llu %.3f\n", (unsigned long long)sent, now() - began);
    return 0;
}
