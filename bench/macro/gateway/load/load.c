// SPDX-License-Identifier: Apache-2.0
//
// The devices of `npm run bench gateway`: one thread, one epoll, so many MQTT 3.1.1 connections as
// asked for. In C, so that it costs less than any server that it measures: a slow generator makes
// every server look equal.
//
//     load ADDRESS PORT DEVICES FIRST      ids from device-FIRST on
//
// One command a line on stdin, one line of JSON on stdout when it is done:
//
//     connect WINDOW                  connects and sends CONNECT; at most WINDOW without a CONNACK
//     subscribe WINDOW                to the device's own down/#, QoS 1
//     publish CHANNEL FLIGHT MS       QoS 1 on up/CHANNEL, FLIGHT unacknowledged over all devices
//                                     (fewer than 16 times as many), round robin, so that each
//                                     message arrives alone
//     rounds CHANNEL COUNT            as publish, until each device has sent COUNT
//     await COUNT MS                  until COUNT messages came (each is acknowledged), or MS passed
//     push COUNT BYTES                this device publishes COUNT messages, one to each device's
//                                     down/command: a command as it goes through a broker
//     beat CHANNEL INTERVAL_MS MS     one message a device each interval, QoS 1, spread over it; who
//                                     loses its connection comes back, trying as our agent does,
//                                     and is timed
//     flood CHANNEL INTERVAL_MS MS RATE
//                                     as beat, and so many lines a second of up/log, QoS 0, over all
//     storm CHANNEL INTERVAL_MS MS    as beat, but first all lose their connection, if they have
//                                     one, and each tries again at once; until all are back
//     malformed RATE MS               so many packets a second that break a rule, from peers each
//                                     with an address of its own; every other one says CONNECT first
//     disconnect                      closes all, without a word
//
// SIGUSR1 ends a beat before its time.
//
// Times are of CLOCK_MONOTONIC, which Node's process.hrtime reads too.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { CONNECT = 0x10, CONNACK = 2, PUBLISH = 0x30, PUBACK = 4, PUBACK_BYTE = 0x40 };
enum { SUBSCRIBE = 0x82, SUBACK = 9, QOS1 = 2, KEEP_ALIVE_SECONDS = 1200 };
enum { UNACKNOWLEDGED_MAX = 16 };  // half of what a gateway allows a device
// As long as our agent waits: anything up to the cap, which grows with each failure in a row.
static const int RETRY_CAPS_MS[] = {1000, 2000, 4000, 8000, 60000};
enum { LAST_CAP = sizeof RETRY_CAPS_MS / sizeof *RETRY_CAPS_MS - 1, CONNECTS_A_TURN = 64, BACK_MAX = 16 };
enum { LAST_ANSWERS_MS = 5000 };
enum { REST_MAX = 1 << 20 };  // of one device, while its server does not read
enum { SOURCES = 50, PACKET_MAX = 16384, READ_MAX = 65536, EVENTS = 512, BUCKETS = 1 << 19 };

struct device {
  int fd;
  uint16_t packet_id;
  uint16_t unacknowledged, failures;
  uint32_t sequence;
  uint32_t tail_bytes;
  uint8_t *tail;  // the start of a packet whose rest has not come; usually none
  uint8_t *rest;  // what the kernel has not taken; usually none
  uint32_t rest_bytes;
  int64_t sent_ns[UNACKNOWLEDGED_MAX];  // by packet id: when each was sent that is under way
  int64_t lost_ns, retry_ns;  // of a connection that was lost; 0 = it is open
  // The PUBLISH of the present flow, of which only packet id and sequence change: writing it anew
  // each time would cost a tenth of a core.
  const char *packet_flow;
  uint8_t *packet;
  uint16_t packet_bytes, packet_id_at, sequence_at;
  uint8_t *line;  // of a flood: always the same
  uint16_t line_bytes;
};

static struct device *devices;
static int device_count, first_device, epoll_fd, port;
static const char *address;
// What the answers of the current command are counted by.
static int answers[16], received;
static int64_t first_ns, last_ns;
static uint32_t latency[BUCKETS];  // of 10 microseconds each; the last holds the rest
static const char *flow;           // the channel on which each PUBACK calls for the next message
static int64_t sent_count, send_limit, flow_end_ns;
static int next_device, in_flight;
static int beating, lost_count, back_count, closed_count;
static int64_t due_count, skipped_count, flooded_count;
static struct device **lost, **back;  // who has to come back, and who tries just now
static int is_malformed, is_storm;
static volatile sig_atomic_t is_ended;
static int64_t *back_ns;      // how long each took that is back

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void drop(struct device *device) {
  if (device->fd >= 0) close(device->fd);
  device->fd = -1;
  if (beating) in_flight -= device->unacknowledged;
  free(device->tail);
  free(device->rest);
  device->tail = device->rest = NULL;
  device->tail_bytes = device->rest_bytes = device->unacknowledged = 0;
}

static void lose(struct device *device) {
  drop(device);
  if (device->lost_ns == 0) {
    device->lost_ns = now_ns();
    closed_count++;
  }
  int cap_ms = RETRY_CAPS_MS[device->failures < LAST_CAP ? device->failures++ : LAST_CAP];
  device->retry_ns = now_ns() + rand() % (cap_ms * 1000LL) * 1000LL;
  lost[lost_count++] = device;
}

static void watch(struct device *device, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = device};
  epoll_ctl(epoll_fd, operation, device->fd, &event);
}

static void keep_rest(struct device *device, const uint8_t *bytes, size_t count) {
  if (device->rest_bytes + count > REST_MAX) fail("the server takes nothing any more");
  if (device->rest_bytes == 0) watch(device, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
  device->rest = realloc(device->rest, device->rest_bytes + count);
  memcpy(device->rest + device->rest_bytes, bytes, count);
  device->rest_bytes += count;
}

// What the kernel does not take, because the connection is not there yet or the server does not
// read, goes when it can.
static void send_all(struct device *device, const uint8_t *bytes, size_t count) {
  if (device->fd < 0) return;
  if (device->rest_bytes > 0) return keep_rest(device, bytes, count);
  ssize_t sent = send(device->fd, bytes, count, MSG_NOSIGNAL);
  if (sent == (ssize_t)count) return;
  if (sent >= 0) keep_rest(device, bytes + sent, count - sent);
  else if (errno == EAGAIN) keep_rest(device, bytes, count);
  else if (is_malformed) drop(device);
  else if (beating) lose(device);
  else fail("the server closed a connection");
}

static void send_rest(struct device *device) {
  ssize_t sent = send(device->fd, device->rest, device->rest_bytes, MSG_NOSIGNAL);
  if (sent < 0) return;  // reading says why
  device->rest_bytes -= sent;
  memmove(device->rest, device->rest + sent, device->rest_bytes);
  if (device->rest_bytes > 0) return;
  free(device->rest);
  device->rest = NULL;
  watch(device, EPOLL_CTL_MOD, EPOLLIN);
}

static size_t put_string(uint8_t *at, const char *text) {
  size_t length = strlen(text);
  at[0] = length >> 8;
  at[1] = length;
  memcpy(at + 2, text, length);
  return length + 2;
}

// Writes `first` and the remaining length before the body, for which there are 5 bytes; where the
// packet begins.
static uint8_t *add_header(uint8_t first, uint8_t *body, size_t body_bytes) {
  uint8_t header[5] = {first};
  size_t bytes = 1, rest = body_bytes;
  do header[bytes++] = (rest & 127) | (rest > 127 ? 128 : 0);
  while ((rest >>= 7) > 0);
  return memcpy(body - bytes, header, bytes);
}

static void send_packet(struct device *device, uint8_t first, uint8_t *body, size_t body_bytes) {
  uint8_t *start = add_header(first, body, body_bytes);
  send_all(device, start, body + body_bytes - start);
}

static int index_of(const struct device *device) { return first_device + (device - devices); }

static void send_connect(struct device *device) {
  uint8_t buffer[128], *body = buffer + 5;
  char id[32];
  size_t bytes = put_string(body, "MQTT");
  body[bytes++] = 4;
  body[bytes++] = 2;  // clean session
  body[bytes++] = KEEP_ALIVE_SECONDS >> 8;
  body[bytes++] = KEEP_ALIVE_SECONDS & 255;
  snprintf(id, sizeof id, "device-%05d", index_of(device));
  bytes += put_string(body + bytes, id);
  send_packet(device, CONNECT, body, bytes);
}

static void send_subscribe(struct device *device) {
  uint8_t buffer[128], *body = buffer + 5;
  char filter[64];
  snprintf(filter, sizeof filter, "muster/v1/default/device-%05d/down/#", index_of(device));
  body[0] = 0;
  body[1] = 1;
  size_t bytes = 2 + put_string(body + 2, filter);
  body[bytes++] = 1;
  send_packet(device, SUBSCRIBE, body, bytes);
}

#define SLOTS \
  "\"slots\":{\"app\":{\"digest\":\"" \
  "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef\"," \
  "\"version\":\"1.4.2\",\"generation\":%d,\"health\":\"healthy\"}}}"

#define SEQUENCE "100000000"
enum { SEQUENCE_DIGITS = sizeof SEQUENCE - 1, SEQUENCE_FIRST = 100000000 };
// Devices of one fleet run the same release, and came to it by more or fewer attempts.
static int generation_of(struct device *device) { return 1 + index_of(device) % 16; }

// What a device says, as docs/reference/device-protocol.md has it. Telemetry is a line of up/log.
static int write_payload(char *at, size_t room, const char *channel, struct device *device) {
  if (strcmp(channel, "heartbeat") == 0)
    return snprintf(at, room, "{\"sequence\":" SEQUENCE "," SLOTS, generation_of(device));
  if (strcmp(channel, "hello") == 0)
    return snprintf(at, room,
                    "{\"protocol\":1,\"agent\":\"muster-agent/0.1.0\",\"codec\":\"json\","
                    "\"inventory\":{\"hwRevision\":\"b2\",\"os\":\"linux\",\"arch\":\"arm64\"}," SLOTS,
                    generation_of(device));
  if (strcmp(channel, "report") == 0)
    return snprintf(at, room,
                    "{\"rollout\":1,\"position\":%d,\"generation\":" SEQUENCE ",\"sequence\":1,"
                    "\"phase\":\"downloading\",\"atMs\":1790000000000}",
                    index_of(device));
  return snprintf(at, room, SEQUENCE " temperature 21.5 humidity 40.1 voltage 3.31 rssi -67 up");
}

static void prepare_packet(struct device *device, const char *channel) {
  uint8_t buffer[PACKET_MAX], *body = buffer + 5;
  char topic[96];
  snprintf(topic, sizeof topic, "muster/v1/default/device-%05d/up/%s", index_of(device), channel);
  size_t id_at = put_string(body, topic), bytes = id_at + 2;
  char *payload = (char *)body + bytes;
  bytes += write_payload(payload, PACKET_MAX - bytes - 5, channel, device);
  uint8_t *start = add_header(PUBLISH | QOS1, body, bytes);
  char *sequence = strstr(payload, SEQUENCE);
  device->packet_flow = channel;
  device->packet_bytes = body + bytes - start;
  device->packet_id_at = body + id_at - start;
  device->sequence_at = sequence == NULL ? 0 : (uint8_t *)sequence - start;
  device->packet = realloc(device->packet, device->packet_bytes);
  memcpy(device->packet, start, device->packet_bytes);
}

static void prepare_line(struct device *device) {
  uint8_t buffer[PACKET_MAX], *body = buffer + 5;
  char topic[96];
  snprintf(topic, sizeof topic, "muster/v1/default/device-%05d/up/log", index_of(device));
  size_t bytes = put_string(body, topic);
  bytes += write_payload((char *)body + bytes, PACKET_MAX - bytes - 5, "log", device);
  uint8_t *start = add_header(PUBLISH, body, bytes);
  device->line_bytes = body + bytes - start;
  device->line = memcpy(malloc(device->line_bytes), start, device->line_bytes);
}

static void send_line(struct device *device) {
  if (device->lost_ns != 0 || device->rest_bytes > 0) {
    skipped_count++;
    return;
  }
  if (device->line == NULL) prepare_line(device);
  flooded_count++;
  send_all(device, device->line, device->line_bytes);
}

static void send_publish(struct device *device, const char *channel) {
  if (device->packet_flow != channel) prepare_packet(device, channel);
  if (++device->packet_id == 0) device->packet_id = 1;
  device->packet[device->packet_id_at] = device->packet_id >> 8;
  device->packet[device->packet_id_at + 1] = device->packet_id;
  uint32_t rest = SEQUENCE_FIRST + ++device->sequence;
  for (int digit = SEQUENCE_DIGITS - 1; device->sequence_at > 0 && digit >= 0; digit--, rest /= 10)
    device->packet[device->sequence_at + digit] = '0' + rest % 10;
  device->unacknowledged++;
  device->sent_ns[device->packet_id % UNACKNOWLEDGED_MAX] = now_ns();
  send_all(device, device->packet, device->packet_bytes);
}

static void send_next(void) {
  if (sent_count >= send_limit || now_ns() >= flow_end_ns) return;
  struct device *device;
  do {
    device = &devices[next_device];
    next_device = (next_device + 1) % device_count;
  } while (device->unacknowledged >= UNACKNOWLEDGED_MAX);
  sent_count++;
  in_flight++;
  send_publish(device, flow);
}

static void take_connack(struct device *device) {
  device->failures = 0;
  if (device->lost_ns == 0) return;
  if (back_count < device_count * BACK_MAX) back_ns[back_count++] = now_ns() - device->lost_ns;
  device->lost_ns = 0;
}

static void take_puback(struct device *device, uint16_t packet_id) {
  if (device->unacknowledged > 0) device->unacknowledged--;
  if (flow == NULL && !beating) return;
  in_flight--;
  last_ns = now_ns();
  int64_t bucket = (last_ns - device->sent_ns[packet_id % UNACKNOWLEDGED_MAX]) / 10000;
  latency[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  if (flow != NULL) send_next();
}

static void take_publish(struct device *device, const uint8_t *body, uint8_t flags) {
  last_ns = now_ns();
  if (received++ == 0) first_ns = last_ns;
  if ((flags & 6) == 0) return;
  size_t topic_bytes = body[0] << 8 | body[1];
  uint8_t puback[4] = {PUBACK_BYTE, 2, body[2 + topic_bytes], body[3 + topic_bytes]};
  send_all(device, puback, sizeof puback);
}

// How many bytes the packet at `at` has; 0 when it is not whole.
static size_t whole_packet(const uint8_t *at, size_t bytes, size_t *header_bytes) {
  size_t length = 0;
  for (size_t index = 1; index < 5 && index < bytes; index++) {
    length |= (size_t)(at[index] & 127) << (7 * (index - 1));
    if (at[index] & 128) continue;
    *header_bytes = index + 1;
    return index + 1 + length <= bytes ? index + 1 + length : 0;
  }
  return 0;
}

static void take_bytes(struct device *device, const uint8_t *at, size_t bytes) {
  while (bytes > 0 && device->fd >= 0) {
    size_t header_bytes = 0, packet_bytes = whole_packet(at, bytes, &header_bytes);
    if (packet_bytes == 0) break;
    int type = at[0] >> 4;
    answers[type]++;
    if (type == CONNACK && at[3] != 0 && !beating) fail("a CONNECT was refused");
    if (type == CONNACK && at[3] == 0) take_connack(device);
    const uint8_t *body = at + header_bytes;
    if (type == PUBACK) take_puback(device, body[0] << 8 | body[1]);
    else if (type == PUBLISH >> 4) take_publish(device, body, at[0] & 15);
    at += packet_bytes;
    bytes -= packet_bytes;
  }
  if (device->fd < 0) return;
  uint8_t *old = device->tail;
  device->tail = NULL;
  device->tail_bytes = bytes;
  if (bytes > 0) {
    device->tail = malloc(bytes);
    memcpy(device->tail, at, bytes);
  }
  free(old);
}

static void read_device(struct device *device) {
  static uint8_t buffer[PACKET_MAX + READ_MAX];
  size_t kept = device->tail_bytes;
  if (kept > PACKET_MAX) fail("the server sent a packet that is too large");
  memcpy(buffer, device->tail == NULL ? buffer : device->tail, kept);
  ssize_t bytes = recv(device->fd, buffer + kept, READ_MAX, 0);
  if (bytes == 0) errno = ECONNRESET;
  if (bytes > 0) take_bytes(device, buffer, kept + bytes);
  else if (bytes < 0 && errno == EAGAIN) return;
  else if (is_malformed) drop(device);
  else if (beating) lose(device);
  else fail("the server closed a connection");
}

static void open_device(struct device *device, uint32_t address_of) {
  struct sockaddr_in source = {.sin_family = AF_INET}, target = {.sin_family = AF_INET};
  int one = 1;
  source.sin_addr.s_addr = htonl(address_of);
  target.sin_port = htons(port);
  inet_pton(AF_INET, address, &target.sin_addr);
  device->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (device->fd < 0) fail("socket");
  setsockopt(device->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(device->fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
  setsockopt(device->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  int connected = connect(device->fd, (struct sockaddr *)&target, sizeof target);
  if (connected < 0 && errno != EINPROGRESS) fail("connect");
  watch(device, EPOLL_CTL_ADD, EPOLLIN);
}

// One look at all sockets, for at most `wait_ms`.
static void turn(int wait_ms) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(epoll_fd, events, EVENTS, wait_ms);
  for (int index = 0; index < count; index++) {
    struct device *device = events[index].data.ptr;
    if (device->fd < 0) continue;
    if (events[index].events & EPOLLOUT && device->rest_bytes > 0) send_rest(device);
    if (events[index].events & ~EPOLLOUT) read_device(device);
  }
}

// Does `start` with each device, at most `window` without an answer of `type`.
static void with_each(void (*start)(struct device *), int type, int window) {
  int started = 0;
  while (answers[type] < device_count) {
    for (; started < device_count && started - answers[type] < window; started++)
      start(&devices[started]);
    turn(100);
  }
}

static void start_connection(struct device *device) {
  // 28,000 ports an address: many addresses of loopback.
  open_device(device, INADDR_LOOPBACK + 1 + index_of(device) % SOURCES);
  send_connect(device);
}

// The packets that devices keep are told by their channel's address: one for each name.
static const char *known_channel(const char *channel) {
  static char channels[8][16];
  int known = 0;
  while (channels[known][0] != 0 && strcmp(channels[known], channel) != 0) known++;
  return strcpy(channels[known], channel);
}

static void run_flow(const char *channel, int64_t flight, int64_t limit, int64_t duration_ms) {
  flow = known_channel(channel);
  send_limit = limit;
  flow_end_ns = duration_ms == 0 ? INT64_MAX : now_ns() + duration_ms * 1000000;
  while (in_flight < flight && sent_count < limit) send_next();
  while (in_flight > 0) turn(100);
  flow = NULL;
}

static void bring_back(int count_max) {
  int kept = 0, opened = 0, count = lost_count;
  int64_t now = now_ns();
  for (int index = 0; index < count; index++) {
    struct device *device = lost[index];
    if (opened < count_max && device->retry_ns <= now) back[opened++] = device;
    else lost[kept++] = device;
  }
  lost_count = kept;
  for (int index = 0; index < opened; index++) start_connection(back[index]);
}

// All are without a connection at one moment, and try at once.
static void lose_all(void) {
  for (int index = 0; index < device_count; index++) {
    if (devices[index].lost_ns == 0) lose(&devices[index]);
    devices[index].retry_ns = 0;
  }
  bring_back(device_count);
}

// Lines of a flood are `rate` a second; 0 = there is none.
static void beat(const char *channel, int64_t interval_ms, int64_t duration_ms, int64_t rate) {
  int64_t start_ns = now_ns(), end_ns = start_ns + duration_ms * 1000000, line = 0;
  channel = known_channel(channel);
  for (int64_t now = start_ns; now < end_ns && !is_ended; now = now_ns()) {
    if (is_storm && back_count >= closed_count) break;
    int64_t due = (now - start_ns) / 1000 * device_count / (interval_ms * 1000);
    for (; due_count < due; due_count++) {
      struct device *device = &devices[due_count % device_count];
      if (device->lost_ns == 0 && device->unacknowledged < UNACKNOWLEDGED_MAX) {
        in_flight++;
        send_publish(device, channel);
      } else skipped_count++;
    }
    for (int64_t due_lines = (now - start_ns) / 1000 * rate / 1000000; line < due_lines; line++)
      send_line(&devices[line % device_count]);
    bring_back(CONNECTS_A_TURN);
    turn(rate > 0 ? 1 : 5);
  }
  // What is under way at the end is waited for: all that was sent is served, or was lost.
  for (int64_t late_ns = now_ns() + LAST_ANSWERS_MS * 1000000LL; now_ns() < late_ns && in_flight > 0;)
    turn(5);
}

static void send_malformed(struct device *device) {
  // PUBLISH with QoS 3 [MQTT-3.3.1-4].
  static const uint8_t malformed[] = {0x36, 7, 0, 3, 'a', '/', 'b', 0, 1};
  int index = device - devices;
  if (device->rest_bytes > 0) {
    skipped_count++;
    return;
  }
  if (device->fd < 0) {
    open_device(device, INADDR_LOOPBACK + (1 << 16) + 1 + index % 250 + (index / 250 << 8));
    if (index % 2 == 1) send_connect(device);
  }
  flooded_count++;
  send_all(device, malformed, sizeof malformed);
}

static void send_malformed_packets(int64_t rate, int64_t duration_ms) {
  int64_t start_ns = now_ns(), end_ns = start_ns + duration_ms * 1000000;
  is_malformed = 1;
  for (int64_t now = start_ns; now < end_ns; now = now_ns()) {
    for (; due_count < (now - start_ns) / 1000 * rate / 1000000; due_count++)
      send_malformed(&devices[due_count % device_count]);
    turn(1);
  }
}

static int by_size(const void *one, const void *other) {
  int64_t difference = *(const int64_t *)one - *(const int64_t *)other;
  return (difference > 0) - (difference < 0);
}

// Until so many of a hundred that lost their connection had it back, ms; -1 = they have not.
static double back_ms(int percent) {
  int wanted = ((int64_t)closed_count * percent + 99) / 100;
  if (wanted > back_count) return -1;
  qsort(back_ns, back_count, sizeof *back_ns, by_size);
  return wanted == 0 ? 0 : back_ns[wanted - 1] / 1e6;
}

static void await_messages(int count, int duration_ms) {
  int64_t end_ns = now_ns() + duration_ms * 1000000LL;
  while (received < count && now_ns() < end_ns) turn(10);
}

// Writes as fast as the broker reads; its PUBACKs are read meanwhile.
static void push_messages(int count, int payload_bytes) {
  uint8_t buffer[PACKET_MAX], *body = buffer + 5;
  for (int target = 0; target < count; target++) {
    char topic[96];
    snprintf(topic, sizeof topic, "muster/v1/default/device-%05d/down/command", target);
    size_t bytes = put_string(body, topic);
    body[bytes++] = (target + 1) >> 8;
    body[bytes++] = target + 1;
    memset(body + bytes, 'x', payload_bytes);
    send_packet(devices, PUBLISH | QOS1, body, bytes + payload_bytes);
    if (target % 64 == 63) turn(0);
  }
  while (answers[PUBACK] < count) turn(100);
}

static double latency_ms(double share) {
  uint64_t total = 0, passed = 0;
  for (int bucket = 0; bucket < BUCKETS; bucket++) total += latency[bucket];
  for (int bucket = 0; bucket < BUCKETS; bucket++)
    if ((passed += latency[bucket]) > 0 && passed >= total * share) return (bucket + 1) / 100.0;
  return 0;
}

static void run_command(char *line) {
  char name[16] = "", channel[16] = "";
  long first = 0, second = 0;
  struct rusage before, after;
  sscanf(line, "%15s", name);
  memset(answers, 0, sizeof answers);
  memset(latency, 0, sizeof latency);
  sent_count = in_flight = received = 0;
  due_count = skipped_count = flooded_count = 0;
  first_ns = last_ns = 0;
  closed_count = lost_count;
  back_count = 0;
  getrusage(RUSAGE_SELF, &before);
  int64_t start_ns = now_ns();
  if (strcmp(name, "publish") == 0 || strcmp(name, "rounds") == 0) {
    sscanf(line, "%*s %15s %ld %ld", channel, &first, &second);
    int is_publish = name[0] == 'p';
    run_flow(channel, is_publish ? first : 256, is_publish ? INT64_MAX : first * device_count, second);
  } else if (strcmp(name, "beat") == 0 || strcmp(name, "flood") == 0 || strcmp(name, "storm") == 0) {
    long rate = 0;
    sscanf(line, "%*s %15s %ld %ld %ld", channel, &first, &second, &rate);
    beating = 1;
    is_ended = 0;
    is_storm = name[0] == 's';
    if (is_storm) lose_all();
    beat(channel, first, second, rate);
    beating = 0;
  } else {
    sscanf(line, "%*s %ld %ld", &first, &second);
    if (strcmp(name, "connect") == 0) with_each(start_connection, CONNACK, first);
    else if (strcmp(name, "subscribe") == 0) with_each(send_subscribe, SUBACK, first);
    else if (strcmp(name, "malformed") == 0) send_malformed_packets(first, second);
    else if (strcmp(name, "await") == 0) await_messages(first, second);
    else if (strcmp(name, "push") == 0) push_messages(first, second);
    else if (strcmp(name, "disconnect") == 0)
      for (int index = 0; index < device_count; index++) drop(&devices[index]);
    else fail("unknown command");
  }
  int64_t end_ns = last_ns > 0 ? last_ns : now_ns();
  getrusage(RUSAGE_SELF, &after);
  double cpu = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
               (after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
               (after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6 +
               (after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
  printf("{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"acknowledged\":%d,\"received\":%d,"
         "\"p50Ms\":%.2f,\"p99Ms\":%.2f,\"worstMs\":%.2f,"
         "\"due\":%lld,\"skipped\":%lld,\"flooded\":%lld,\"closed\":%d,\"back99Ms\":%.0f,\"backAllMs\":%.0f,"
         "\"startNs\":%lld,\"firstNs\":%lld,\"lastNs\":%lld}\n",
         (end_ns - start_ns) / 1e9, cpu, answers[PUBACK], received, latency_ms(0.5),
         latency_ms(0.99), latency_ms(1), (long long)due_count, (long long)skipped_count,
         (long long)flooded_count, closed_count, back_ms(99), back_ms(100), (long long)start_ns, (long long)first_ns, (long long)last_ns);
  fflush(stdout);
}

static void end_beat(int number) {
  (void)number;
  is_ended = 1;
}

int main(int argc, char **argv) {
  if (argc != 5) return fprintf(stderr, "load ADDRESS PORT DEVICES FIRST\n"), 2;
  address = argv[1];
  port = atoi(argv[2]);
  device_count = atoi(argv[3]);
  first_device = atoi(argv[4]);
  signal(SIGUSR1, end_beat);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  devices = calloc(device_count, sizeof *devices);
  for (int index = 0; index < device_count; index++) devices[index].fd = -1;
  lost = calloc(device_count, sizeof *lost);
  back = calloc(device_count, sizeof *back);
  // A device may lose its connection more than once a command.
  back_ns = calloc((size_t)device_count * BACK_MAX, sizeof *back_ns);
  epoll_fd = epoll_create1(0);
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) run_command(line);
  return 0;
}
