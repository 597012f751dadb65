// Sends the datagrams of a file with sendmmsg, over and over, as fast as it can or at a given rate; prints how many the
// kernel took, and how long that was.
//
//   sender PORT FILE SECONDS RATE COUNT
//
// RATE 0: no pause. COUNT 0: until SECONDS are over. FILE: for each datagram the address that it comes from (4 octets,
// in 127.0.0.0/8), its length (2 octets, little-endian), and the datagram.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#define BATCH 64

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    double seconds = atof(argv[3]), rate = atof(argv[4]);
    uint64_t most = strtoull(argv[5], 0, 10), sent = 0;
    int file = open(argv[2], O_RDONLY);
    struct stat is;
    if (file < 0 || fstat(file, &is) || is.st_size < 7) return 1;
    uint8_t *all = mmap(0, is.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0), *next = all;
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (all == MAP_FAILED || sock < 0) return 1;

    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
    union { struct cmsghdr head; uint8_t room[CMSG_SPACE(sizeof(struct in_pktinfo))]; } told[BATCH];
    memset(messages, 0, sizeof messages), memset(told, 0, sizeof told);
    for (int i = 0; i < BATCH; i++) {
        messages[i].msg_hdr = (struct msghdr){&to, sizeof to, &parts[i], 1, &told[i], sizeof told[i], 0};
        told[i].head = (struct cmsghdr){CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO};
    }
    double began = now();
    while ((!most || sent < most) && now() - began < seconds) {
        int batch = BATCH;
        if (rate > 0) {
            double behind = rate * (now() - began) - sent;
            if (behind < 1) {
                nanosleep(&(struct timespec){0, 100000}, 0);
                continue;
            }
            if (behind < batch) batch = (int)behind;
        }
        if (most && most - sent < (uint64_t)batch) batch = (int)(most - sent);
        uint8_t *at = next;
        for (int i = 0; i < batch; i++) {
            if (at >= all + is.st_size) at = all;
            struct in_pktinfo *from = (struct in_pktinfo *)CMSG_DATA(&told[i].head);
            memcpy(&from->ipi_spec_dst, at, 4);
            parts[i] = (struct iovec){at + 6, at[4] | at[5] << 8};
            at += 6 + parts[i].iov_len;
        }
        int took = sendmmsg(sock, messages, batch, 0);
        if (took < 0) continue;
        sent += took;
        next = took == batch ? at : (uint8_t *)parts[took].iov_base - 6;
    }
    printf("%llu %.3f\n", (unsigned long long)sent, now() - began);
    return 0;
}
