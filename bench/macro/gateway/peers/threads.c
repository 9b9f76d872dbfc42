// SPDX-License-Identifier: Apache-2.0
//
// The naive server with a thread a connection. Answers CONNECT, SUBSCRIBE and QoS 1 publishes; looks
// at no topic, payload, limit or deadline.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT = 1, PUBLISH = 3, SUBSCRIBE = 8, ROOM = 4096, STACK_BYTES = 65536 };

// The bytes of the packet at `at`; 0 when it is not whole.
static size_t whole_packet(const uint8_t *at, size_t bytes, size_t *body) {
  size_t length = 0;
  for (size_t index = 1; index < 5 && index < bytes; index++) {
    length |= (size_t)(at[index] & 127) << (7 * (index - 1));
    if (at[index] & 128) continue;
    *body = index + 1;
    return index + 1 + length <= bytes ? index + 1 + length : 0;
  }
  return 0;
}

static void answer(int fd, const uint8_t *packet, size_t body) {
  const uint8_t *at = packet + body;
  if (packet[0] >> 4 == CONNECT) send(fd, "\x20\x02\0\0", 4, MSG_NOSIGNAL);
  if (packet[0] >> 4 == SUBSCRIBE)
    send(fd, (uint8_t[]){0x90, 3, at[0], at[1], 1}, 5, MSG_NOSIGNAL);
  if (packet[0] >> 4 == PUBLISH && (packet[0] & 6) != 0) {
    const uint8_t *id = at + 2 + (at[0] << 8 | at[1]);
    send(fd, (uint8_t[]){0x40, 2, id[0], id[1]}, 4, MSG_NOSIGNAL);
  }
}

static void *serve(void *argument) {
  int fd = (int)(intptr_t)argument;
  uint8_t buffer[ROOM];
  size_t filled = 0;
  for (;;) {
    ssize_t got = recv(fd, buffer + filled, sizeof buffer - filled, 0);
    if (got <= 0) break;
    filled += got;
    size_t start = 0, body = 0, bytes;
    while ((bytes = whole_packet(buffer + start, filled - start, &body)) > 0) {
      answer(fd, buffer + start, body);
      start += bytes;
    }
    memmove(buffer, buffer + start, filled - start);
    filled -= start;
  }
  close(fd);
  return NULL;
}

int main(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof place;
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (bind(listener, (struct sockaddr *)&place, sizeof place) < 0) return perror("bind"), 1;
  if (listen(listener, 4096) < 0) return perror("listen"), 1;
  getsockname(listener, (struct sockaddr *)&place, &length);
  printf("%d\n", ntohs(place.sin_port));
  fflush(stdout);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd) != 0) close(fd);
  }
}
