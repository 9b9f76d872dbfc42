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
//     beat INTERVAL_MS MS             one heartbeat a device each interval, QoS 1, spread over it; who
//                                     loses its connection comes back after RETRY_MS at most, again
//                                     and again, and is timed
//     disconnect                      closes all, without a word
//
// Times are of CLOCK_MONOTONIC, which Node's process.hrtime reads too.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
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
enum { RETRY_MS = 2000, CONNECTS_A_TURN = 64, BACK_MAX = 16 };
enum { SOURCES = 50, PACKET_MAX = 16384, READ_MAX = 65536, EVENTS = 512, BUCKETS = 65536 };

struct device {
  int fd;
  uint16_t packet_id;
  uint16_t unacknowledged;
  uint32_t sequence;
  uint32_t tail_bytes;
  uint8_t *tail;  // the start of a packet whose rest has not come; usually none
  int64_t sent_ns;
  int64_t lost_ns, retry_ns;  // of a connection that was lost; 0 = it is open
  // The PUBLISH of the present flow, of which only packet id and sequence change: writing it anew
  // each time would cost a tenth of a core.
  const char *packet_flow;
  uint8_t *packet;
  uint16_t packet_bytes, packet_id_at, sequence_at;
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
static struct device **lost;  // who has to come back
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

static void lose(struct device *device) {
  close(device->fd);
  device->fd = -1;
  free(device->tail);
  device->tail = NULL;
  device->tail_bytes = device->unacknowledged = 0;
  device->sent_ns = 0;
  if (device->lost_ns == 0) {
    device->lost_ns = now_ns();
    closed_count++;
  }
  device->retry_ns = now_ns() + rand() % (RETRY_MS * 1000) * 1000LL;
  lost[lost_count++] = device;
}

// A packet is far smaller than a socket's buffer: one that does not go out whole means that the
// server has stopped reading.
static void send_all(struct device *device, const uint8_t *bytes, size_t count) {
  if (device->fd < 0) return;
  ssize_t sent = send(device->fd, bytes, count, MSG_NOSIGNAL);
  if (sent == (ssize_t)count) return;
  if (!beating) fail("the server takes nothing any more");
  lose(device);
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

static void send_publish(struct device *device, const char *channel) {
  if (device->packet_flow != channel) prepare_packet(device, channel);
  if (++device->packet_id == 0) device->packet_id = 1;
  device->packet[device->packet_id_at] = device->packet_id >> 8;
  device->packet[device->packet_id_at + 1] = device->packet_id;
  uint32_t rest = SEQUENCE_FIRST + ++device->sequence;
  for (int digit = SEQUENCE_DIGITS - 1; device->sequence_at > 0 && digit >= 0; digit--, rest /= 10)
    device->packet[device->sequence_at + digit] = '0' + rest % 10;
  // The latency is taken where one message is under way alone.
  device->sent_ns = device->unacknowledged++ == 0 ? now_ns() : 0;
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
  if (device->lost_ns == 0) return;
  if (back_count < device_count * BACK_MAX) back_ns[back_count++] = now_ns() - device->lost_ns;
  device->lost_ns = 0;
}

static void take_puback(struct device *device) {
  if (device->unacknowledged > 0) device->unacknowledged--;
  if (flow == NULL && !beating) return;
  in_flight--;
  last_ns = now_ns();
  if (device->sent_ns != 0) {
    int64_t bucket = (last_ns - device->sent_ns) / 10000;
    latency[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    device->sent_ns = 0;
  }
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
    if (type == CONNACK && at[3] != 0) fail("a CONNECT was refused");
    if (type == CONNACK) take_connack(device);
    if (type == PUBACK) take_puback(device);
    else if (type == PUBLISH >> 4) take_publish(device, at + header_bytes, at[0] & 15);
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
  else if (beating) lose(device);
  else fail("the server closed a connection");
}

static void open_device(struct device *device) {
  struct sockaddr_in source = {.sin_family = AF_INET}, target = {.sin_family = AF_INET};
  int one = 1;
  // 28,000 ports an address: many addresses of loopback.
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index_of(device) % SOURCES);
  target.sin_port = htons(port);
  inet_pton(AF_INET, address, &target.sin_addr);
  device->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (device->fd < 0) fail("socket");
  setsockopt(device->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(device->fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
  if (connect(device->fd, (struct sockaddr *)&target, sizeof target) < 0) fail("connect");
  setsockopt(device->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = device};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, device->fd, &event);
}

// One look at all sockets, for at most `wait_ms`.
static void turn(int wait_ms) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(epoll_fd, events, EVENTS, wait_ms);
  for (int index = 0; index < count; index++) read_device(events[index].data.ptr);
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
  open_device(device);
  send_connect(device);
}

static void run_flow(const char *channel, int64_t flight, int64_t limit, int64_t duration_ms) {
  // The packets that devices keep are told by their channel's address.
  static char channels[8][16];
  int known = 0;
  while (channels[known][0] != 0 && strcmp(channels[known], channel) != 0) known++;
  flow = strcpy(channels[known], channel);
  send_limit = limit;
  flow_end_ns = duration_ms == 0 ? INT64_MAX : now_ns() + duration_ms * 1000000;
  while (in_flight < flight && sent_count < limit) send_next();
  while (in_flight > 0) turn(100);
  flow = NULL;
}

static void bring_back(void) {
  int kept = 0, opened = 0, count = lost_count;
  int64_t now = now_ns();
  struct device *later[CONNECTS_A_TURN];
  for (int index = 0; index < count; index++) {
    struct device *device = lost[index];
    if (opened < CONNECTS_A_TURN && device->retry_ns <= now) later[opened++] = device;
    else lost[kept++] = device;
  }
  lost_count = kept;
  for (int index = 0; index < opened; index++) start_connection(later[index]);
}

static void beat(int64_t interval_ms, int64_t duration_ms) {
  int64_t start_ns = now_ns(), end_ns = start_ns + duration_ms * 1000000, done = 0;
  beating = 1;
  while (now_ns() < end_ns) {
    int64_t due = (now_ns() - start_ns) / 1000 * device_count / (interval_ms * 1000);
    for (; done < due; done++) {
      struct device *device = &devices[done % device_count];
      if (device->lost_ns == 0 && device->unacknowledged < UNACKNOWLEDGED_MAX) {
        in_flight++;
        send_publish(device, "heartbeat");
      }
    }
    bring_back();
    turn(5);
  }
  beating = 0;
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
  first_ns = last_ns = 0;
  closed_count = lost_count;
  back_count = 0;
  getrusage(RUSAGE_SELF, &before);
  int64_t start_ns = now_ns();
  if (strcmp(name, "publish") == 0 || strcmp(name, "rounds") == 0) {
    sscanf(line, "%*s %15s %ld %ld", channel, &first, &second);
    int is_publish = name[0] == 'p';
    run_flow(channel, is_publish ? first : 256, is_publish ? INT64_MAX : first * device_count, second);
  } else {
    sscanf(line, "%*s %ld %ld", &first, &second);
    if (strcmp(name, "connect") == 0) with_each(start_connection, CONNACK, first);
    else if (strcmp(name, "subscribe") == 0) with_each(send_subscribe, SUBACK, first);
    else if (strcmp(name, "beat") == 0) beat(first, second);
    else if (strcmp(name, "await") == 0) await_messages(first, second);
    else if (strcmp(name, "push") == 0) push_messages(first, second);
    else if (strcmp(name, "disconnect") == 0)
      for (int index = 0; index < device_count; index++) close(devices[index].fd);
    else fail("unknown command");
  }
  int64_t end_ns = last_ns > 0 ? last_ns : now_ns();
  getrusage(RUSAGE_SELF, &after);
  double cpu = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
               (after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
               (after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6 +
               (after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
  printf("{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"acknowledged\":%d,\"received\":%d,"
         "\"p50Ms\":%.2f,\"p99Ms\":%.2f,\"closed\":%d,\"back99Ms\":%.0f,\"backAllMs\":%.0f,"
         "\"startNs\":%lld,\"firstNs\":%lld,\"lastNs\":%lld}\n",
         (end_ns - start_ns) / 1e9, cpu, answers[PUBACK], received, latency_ms(0.5),
         latency_ms(0.99), closed_count, back_ms(99), back_ms(100), (long long)start_ns, (long long)first_ns, (long long)last_ns);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 5) return fprintf(stderr, "load ADDRESS PORT DEVICES FIRST\n"), 2;
  address = argv[1];
  port = atoi(argv[2]);
  device_count = atoi(argv[3]);
  first_device = atoi(argv[4]);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  devices = calloc(device_count, sizeof *devices);
  lost = calloc(device_count, sizeof *lost);
  // A device may lose its connection more than once a command.
  back_ns = calloc((size_t)device_count * BACK_MAX, sizeof *back_ns);
  epoll_fd = epoll_create1(0);
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) run_command(line);
  return 0;
}
