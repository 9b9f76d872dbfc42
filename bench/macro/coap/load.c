// SPDX-License-Identifier: Apache-2.0
//
// The devices of `npm run bench coap`: one thread, one UDP socket, so many devices with OSCORE keys
// (RFC 8613) as a file of `muster device import` names. Each has an IPv4 address of its own in
// 127.0.0.0/8, and the numbers, message ids and retransmissions (RFC 7252 §4.2) of a device of its
// own. In C, so that it costs less than the gateway that it measures; ciphers are OpenSSL's.
//
//     load ADDRESS PORT FILE          FILE: CSV with the header id,region,oscoreSenderId,oscoreSecret
//
// One command a line on stdin, one line of JSON on stdout when it is done:
//
//     hello WINDOW INTERVAL_MS        everybody says hello, and echoes what is asked; at most WINDOW
//                                     at once. Who has a session sends heartbeats meanwhile
//     beat INTERVAL_MS MS ACK SILENT  one heartbeat a device each interval, spread over it. ACK 1:
//                                     confirmable, each is answered; 0: not, and success is not told
//                                     (RFC 7967). SILENT devices, spread over all, send nothing
//     last FILE                       writes `index milliseconds` for each device that was silent:
//                                     the time of day at which it had sent its last datagram
//
// An answer counts when it verifies. Times are of CLOCK_MONOTONIC.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { CON = 0, NON = 1, POST = 2, CHANGED = 0x44, UNAUTHORIZED = 0x81 };
enum { PATH = 11, NO_RESPONSE = 258, ECHO = 252, OSCORE = 9, ECHO_MAX = 40 };
enum { KEY = 16, IV = 13, TAG = 8, ID = 7, DATAGRAM_MAX = 1500, BATCH = 64, BUCKETS = 100000 };
// Heartbeats a turn: so many that whoever was kept waiting by the scheduler catches up.
enum { BEATS_A_TURN = 1024 };
// RFC 7252 §4.8: twice as long each time, and given up after four repeats.
enum { ACK_TIMEOUT_MS = 2000, RANDOM_MS = 1000, REPEATS = 4, RINGS = REPEATS + 1 };
enum { NOBODY, GREETING, ONLINE };
enum { GRACE_MS = 5000, SOCKET_BYTES = 16 << 20 };

struct device {
  uint8_t key[KEY], gateway_key[KEY], iv[IV], id[ID], id_bytes;
  uint8_t state, is_hello, attempt, echo_bytes, echo[ECHO_MAX], silent;
  uint16_t message_id;
  uint32_t number, pending_number;  // of the next request, and of the one under way
  int64_t sent_ns, first_ns;        // first: of the request under way; 0 = none is
};

// Requests in the order in which their timeouts come: one ring for each repeat.
struct timeout {
  uint32_t device, number;
  int64_t due_ns;
};
struct ring {
  struct timeout *items;
  size_t first, count;
};

static struct device *devices;
static uint32_t device_count;
static int socket_fd;
static struct sockaddr_in gateway;
static struct ring rings[RINGS];
static size_t ring_size;
static EVP_CIPHER_CTX *sealing, *opening;
static int64_t sent, acknowledged, repeated, lost, refused, unverified, late;
static uint32_t in_flight, online;
static uint32_t latency[BUCKETS];  // of 10 microseconds each; the last holds the rest

static int64_t clock_ns(clockid_t which) {
  struct timespec now;
  clock_gettime(which, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

// ---- keys and datagrams ----

// RFC 8613 §3.2.1: one block of HKDF with SHA-256.
static void derive(const uint8_t *prk, const uint8_t *id, uint8_t id_bytes, const char *type,
                   uint8_t *out, uint8_t bytes) {
  uint8_t info[32], digest[32];
  size_t at = 0;
  info[at++] = 0x85;
  info[at++] = 0x40 + id_bytes;
  memcpy(info + at, id, id_bytes);
  at += id_bytes;
  info[at++] = 0xf6;
  info[at++] = 0x0a;
  info[at++] = 0x60 + strlen(type);
  memcpy(info + at, type, strlen(type));
  at += strlen(type);
  info[at++] = bytes;
  info[at++] = 1;
  HMAC(EVP_sha256(), prk, 32, info, at, digest, NULL);
  memcpy(out, digest, bytes);
}

static size_t hex(const char *text, uint8_t *out, size_t most) {
  size_t bytes = 0;
  unsigned byte;
  while (bytes < most && sscanf(text + bytes * 2, "%2x", &byte) == 1) out[bytes++] = byte;
  return bytes;
}

static void read_devices(const char *file) {
  char line[256], id[130], region[64], sender[16], secret[130];
  FILE *csv = fopen(file, "r");
  if (csv == NULL || fgets(line, sizeof line, csv) == NULL) fail(file);
  size_t room = 0;
  while (fgets(line, sizeof line, csv) != NULL) {
    if (sscanf(line, "%129[^,],%63[^,],%15[^,],%129[^,\n]", id, region, sender, secret) != 4)
      continue;
    if (device_count == room) {
      room = room == 0 ? 1024 : room * 2;
      devices = realloc(devices, room * sizeof *devices);
    }
    struct device *device = &devices[device_count++];
    memset(device, 0, sizeof *device);
    uint8_t master[64], prk[32];
    device->id_bytes = hex(sender, device->id, ID);
    size_t bytes = hex(secret, master, sizeof master);
    HMAC(EVP_sha256(), "", 0, master, bytes, prk, NULL);
    derive(prk, device->id, device->id_bytes, "Key", device->key, KEY);
    derive(prk, NULL, 0, "Key", device->gateway_key, KEY);
    derive(prk, NULL, 0, "IV", device->iv, IV);
  }
  fclose(csv);
}

static void write_nonce(uint8_t *nonce, const struct device *device, const uint8_t *id,
                        uint8_t id_bytes, const uint8_t *piv, uint8_t piv_bytes) {
  memcpy(nonce, device->iv, IV);
  nonce[0] ^= id_bytes;
  for (int at = 0; at < id_bytes; at++) nonce[IV - 5 - id_bytes + at] ^= id[at];
  for (int at = 0; at < piv_bytes; at++) nonce[IV - piv_bytes + at] ^= piv[at];
}

static int write_aad(uint8_t *aad, const struct device *device, const uint8_t *piv, uint8_t bytes) {
  static const uint8_t head[] = "\x83\x68" "Encrypt0\x40";
  int at = sizeof head - 1, length_at = at++;
  memcpy(aad, head, sizeof head - 1);
  memcpy(aad + at, "\x85\x01\x81\x0a", 4);
  at += 4;
  aad[at++] = 0x40 + device->id_bytes;
  memcpy(aad + at, device->id, device->id_bytes);
  at += device->id_bytes;
  aad[at++] = 0x40 + bytes;
  memcpy(aad + at, piv, bytes);
  at += bytes;
  aad[at++] = 0x40;
  aad[length_at] = 0x40 + at - length_at - 1;
  return at;
}

static uint8_t write_piv(uint8_t *piv, uint32_t number) {
  uint8_t bytes = number > 0xffffff ? 4 : number > 0xffff ? 3 : number > 0xff ? 2 : 1;
  for (int at = 0; at < bytes; at++) piv[at] = number >> 8 * (bytes - 1 - at);
  return bytes;
}

// What a device says, as docs/reference/device-protocol.md has it.
#define SLOTS                                                                    \
  "\"slots\":{\"app\":{\"digest\":\""                                            \
  "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef\","          \
  "\"version\":\"1.4.2\",\"generation\":%d,\"health\":\"healthy\"}}}"

static int write_inner(uint8_t *inner, const struct device *device, int index, int is_told) {
  const char *path = device->is_hello ? "hello" : "heartbeat";
  int at = 0, generation = 1 + index % 16;
  inner[at++] = POST;
  inner[at++] = PATH << 4 | 2;
  inner[at++] = 'v';
  inner[at++] = '1';
  inner[at++] = strlen(path);
  memcpy(inner + at, path, strlen(path));
  at += strlen(path);
  if (device->is_hello && device->echo_bytes > 0) {
    inner[at++] = 0xd0 | (device->echo_bytes < 13 ? device->echo_bytes : 13);
    inner[at++] = ECHO - PATH - 13;
    if (device->echo_bytes >= 13) inner[at++] = device->echo_bytes - 13;
    memcpy(inner + at, device->echo, device->echo_bytes);
    at += device->echo_bytes;
  } else if (!is_told) {
    inner[at++] = 0xd1;
    inner[at++] = NO_RESPONSE - PATH - 13;
    inner[at++] = 2;
  }
  inner[at++] = 0xff;
  char *text = (char *)inner + at;
  if (device->is_hello)
    return at + sprintf(text,
                        "{\"protocol\":1,\"agent\":\"muster-agent/0.1.0\",\"codec\":\"json\","
                        "\"inventory\":{\"hwRevision\":\"b2\",\"os\":\"linux\",\"arch\":\"arm64\"},"
                        SLOTS, generation);
  return at + sprintf(text, "{\"sequence\":%u," SLOTS, device->pending_number, generation);
}

// The request under way: the same bytes each time.
static size_t write_request(uint8_t *at, uint32_t index, int is_told) {
  struct device *device = &devices[index];
  uint8_t inner[512], nonce[IV], aad[64], piv[5], *start = at;
  uint8_t piv_bytes = write_piv(piv, device->pending_number);
  *at++ = 0x40 | (is_told ? CON : NON) << 4 | 4;
  *at++ = POST;
  *at++ = device->message_id >> 8;
  *at++ = device->message_id;
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = index >> shift;
  *at++ = OSCORE << 4 | (1 + piv_bytes + device->id_bytes);
  *at++ = 0x08 | piv_bytes;
  memcpy(at, piv, piv_bytes);
  at += piv_bytes;
  memcpy(at, device->id, device->id_bytes);
  at += device->id_bytes;
  *at++ = 0xff;
  int inner_bytes = write_inner(inner, device, index, is_told), out;
  write_nonce(nonce, device, device->id, device->id_bytes, piv, piv_bytes);
  int aad_bytes = write_aad(aad, device, piv, piv_bytes);
  EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_SET_TAG, TAG, NULL);
  if (!EVP_EncryptInit_ex(sealing, NULL, NULL, device->key, nonce) ||
      !EVP_EncryptUpdate(sealing, NULL, &out, NULL, inner_bytes) ||
      !EVP_EncryptUpdate(sealing, NULL, &out, aad, aad_bytes) ||
      !EVP_EncryptUpdate(sealing, at, &out, inner, inner_bytes) ||
      !EVP_EncryptFinal_ex(sealing, at + out, &out) ||
      !EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_GET_TAG, TAG, at + inner_bytes))
    fail("sealing");
  return at + inner_bytes + TAG - start;
}

// Bytes of what is inside, at `inner`; -1: it does not verify.
static int open_answer(const struct device *device, const uint8_t *piv, uint8_t piv_bytes,
                       const uint8_t *sealed, int bytes, uint8_t *inner) {
  uint8_t nonce[IV], aad[64], request_piv[5];
  int out, inner_bytes = bytes - TAG;
  if (inner_bytes < 1) return -1;
  write_nonce(nonce, device, NULL, 0, piv, piv_bytes);
  int aad_bytes =
      write_aad(aad, device, request_piv, write_piv(request_piv, device->pending_number));
  EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_AEAD_SET_TAG, TAG, (void *)(sealed + inner_bytes));
  if (!EVP_DecryptInit_ex(opening, NULL, NULL, device->gateway_key, nonce) ||
      !EVP_DecryptUpdate(opening, NULL, &out, NULL, inner_bytes) ||
      !EVP_DecryptUpdate(opening, NULL, &out, aad, aad_bytes))
    fail("opening");
  return EVP_DecryptUpdate(opening, inner, &out, sealed, inner_bytes) > 0 ? inner_bytes : -1;
}

// ---- sending ----

static uint8_t out_bytes[BATCH][DATAGRAM_MAX];
static struct mmsghdr out[BATCH];
static struct iovec out_vectors[BATCH];
static char out_control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
static unsigned out_count;

static void flush(void) {
  unsigned done = 0;
  while (done < out_count) {
    int count = sendmmsg(socket_fd, out + done, out_count - done, 0);
    if (count >= 0) done += count;
    else if (errno == EAGAIN || errno == ENOBUFS) poll(&(struct pollfd){socket_fd, POLLOUT, 0}, 1, 10);
    else if (errno != ECONNREFUSED) fail("sendmmsg");
  }
  out_count = 0;
}

static void put(uint32_t index, int is_told) {
  if (out_count == BATCH) flush();
  struct msghdr *message = &out[out_count].msg_hdr;
  out_vectors[out_count] = (struct iovec){out_bytes[out_count],
                                          write_request(out_bytes[out_count], index, is_told)};
  *message = (struct msghdr){&gateway, sizeof gateway, &out_vectors[out_count], 1,
                             out_control[out_count], sizeof out_control[0], 0};
  struct cmsghdr *control = CMSG_FIRSTHDR(message);
  *control = (struct cmsghdr){CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO};
  // The device's own address: from 127.1.0.0 on.
  struct in_pktinfo info = {0, {htonl(0x7f010000 + index)}, {0}};
  memcpy(CMSG_DATA(control), &info, sizeof info);
  out_count++;
}

static void wait_for_answer(uint32_t index) {
  struct device *device = &devices[index];
  struct ring *ring = &rings[device->attempt];
  if (ring->count == ring_size) fail("more requests are under way than there are devices");
  int64_t ms = (int64_t)(ACK_TIMEOUT_MS + RANDOM_MS / 2) << device->attempt;
  struct timeout item = {index, device->pending_number, now_ns() + ms * 1000000};
  ring->items[(ring->first + ring->count++) % ring_size] = item;
}

static void request(uint32_t index, int is_hello, int is_told) {
  struct device *device = &devices[index];
  device->is_hello = is_hello;
  device->pending_number = device->number++;
  device->message_id++;
  device->attempt = 0;
  device->sent_ns = now_ns();
  sent++;
  put(index, is_told);
  if (!is_told) return;
  device->first_ns = device->sent_ns;
  in_flight++;
  wait_for_answer(index);
}

static void settle(struct device *device) {
  device->first_ns = 0;
  in_flight--;
}

static void repeat_late_ones(void) {
  int64_t now = now_ns();
  for (int attempt = 0; attempt < RINGS; attempt++) {
    struct ring *ring = &rings[attempt];
    while (ring->count > 0 && ring->items[ring->first].due_ns <= now) {
      struct timeout item = ring->items[ring->first];
      ring->first = (ring->first + 1) % ring_size;
      ring->count--;
      struct device *device = &devices[item.device];
      if (device->first_ns == 0 || device->pending_number != item.number) continue;
      if (attempt == REPEATS) {
        lost++;
        settle(device);
        if (device->state == GREETING) device->state = NOBODY;
        continue;
      }
      device->attempt++;
      repeated++;
      put(item.device, 1);
      wait_for_answer(item.device);
    }
  }
}

// ---- receiving ----

static void keep_latency(const struct device *device) {
  int64_t bucket = (now_ns() - device->first_ns) / 10000;
  latency[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static void take_inner(uint32_t index, const uint8_t *inner, int bytes) {
  struct device *device = &devices[index];
  uint8_t code = inner[0];
  if (device->first_ns != 0) {
    keep_latency(device);
    settle(device);
  }
  if (code == UNAUTHORIZED && device->is_hello && device->echo_bytes == 0 && bytes > 3) {
    // The only option of a challenge: Echo, whose delta has one byte more.
    int length = inner[1] & 15, at = 3;
    if (length == 13) length = 13 + inner[at++];
    if (length > ECHO_MAX || at + length > bytes) fail("an Echo of another form");
    device->echo_bytes = length;
    memcpy(device->echo, inner + at, length);
    request(index, 1, 1);
    return;
  }
  device->echo_bytes = 0;
  if (code == CHANGED) {
    acknowledged++;
    if (device->is_hello && device->state != ONLINE) online++;
    device->state = ONLINE;
    return;
  }
  refused++;
  if (device->state == ONLINE) online--;
  device->state = NOBODY;
}

static void take(const uint8_t *bytes, int count) {
  if (count < 8 || (bytes[0] & 0x0f) != 4) return;
  uint32_t index = (uint32_t)bytes[4] << 24 | bytes[5] << 16 | bytes[6] << 8 | bytes[7];
  if (index >= device_count) return;
  struct device *device = &devices[index];
  // What is not confirmable answers a heartbeat that was not: an error (RFC 7967). Else it may have
  // come twice, or after it was given up.
  int is_error = (bytes[0] >> 4 & 3) == NON && device->first_ns == 0;
  int is_answer = device->first_ns != 0 && (bytes[2] << 8 | bytes[3]) == device->message_id;
  if (!is_error && !is_answer) return;
  uint8_t inner[DATAGRAM_MAX];
  int option_bytes = count > 8 && bytes[8] >> 4 == OSCORE ? bytes[8] & 15 : -1;
  int sealed_at = 9 + option_bytes + 1, inner_bytes = -1;
  if (option_bytes > 0 && option_bytes < 7 && count > sealed_at && bytes[sealed_at - 1] == 0xff)
    inner_bytes = open_answer(device, bytes + 10, bytes[9] & 7, bytes + sealed_at,
                              count - sealed_at, inner);
  if (inner_bytes > 0) take_inner(index, inner, inner_bytes);
  else unverified++;
}

static int receive(int timeout_us) {
  static uint8_t bytes[BATCH][DATAGRAM_MAX];
  static struct mmsghdr in[BATCH];
  static struct iovec vectors[BATCH];
  struct timespec timeout = {0, timeout_us * 1000L};
  if (ppoll(&(struct pollfd){socket_fd, POLLIN, 0}, 1, &timeout, NULL) <= 0) return 0;
  for (int index = 0; index < BATCH; index++) {
    vectors[index] = (struct iovec){bytes[index], DATAGRAM_MAX};
    in[index].msg_hdr = (struct msghdr){.msg_iov = &vectors[index], .msg_iovlen = 1};
  }
  int count = recvmmsg(socket_fd, in, BATCH, MSG_DONTWAIT, NULL);
  for (int index = 0; index < count; index++) take(bytes[index], in[index].msg_len);
  return count;
}

// ---- commands ----

static void turn(int timeout_us) {
  flush();
  receive(timeout_us);
  repeat_late_ones();
}

// Sleeps first, and takes what has come meanwhile: to wake this process at each answer would be paid
// by the gateway that sends it, as no network lets it pay.
static void calm_turn(int sleep_us) {
  flush();
  nanosleep(&(struct timespec){0, sleep_us * 1000L}, NULL);
  while (receive(0) == BATCH) flush();
  repeat_late_ones();
}

static void beat(uint32_t index, int is_told) {
  struct device *device = &devices[index];
  if (device->state != ONLINE || device->silent) return;
  if (device->first_ns != 0) {
    late++;  // The one before is not answered yet (§4.7: NSTART is 1).
    return;
  }
  request(index, 0, is_told);
}

// Heartbeats that are due: each device's at its own moment of the interval.
static int64_t beat_due(int64_t done, int64_t start_ns, int64_t interval_ms, int is_told) {
  double share = (now_ns() - start_ns) / (interval_ms * 1e6);
  int64_t due = (int64_t)(share * device_count);
  for (int count = 0; done < due && count < BEATS_A_TURN; count++) beat(done++ % device_count, is_told);
  return done;
}

static void say_hello(uint32_t window, int64_t interval_ms) {
  int64_t start_ns = now_ns(), beats = 0, said_ns = start_ns;
  uint32_t next = 0;
  while (online < device_count) {
    for (int count = 0; in_flight < window && count < BATCH; count++) {
      uint32_t tried = 0;
      while (tried++ < 4096 && devices[next].state != NOBODY) next = (next + 1) % device_count;
      if (devices[next].state != NOBODY) break;
      devices[next].state = GREETING;
      request(next, 1, 1);
      next = (next + 1) % device_count;
    }
    // Who has just come need not beat: in the first interval nobody does.
    if (now_ns() - start_ns > interval_ms * 1000000)
      beats = beat_due(beats, start_ns + interval_ms * 1000000, interval_ms, 0);
    turn(1000);
    if (now_ns() - said_ns < 10000000000LL) continue;
    said_ns = now_ns();
    fprintf(stderr,
            "load: %u of %u devices have a session; %lld datagrams repeated, %lld hellos refused, "
            "%lld given up, %lld answers unprotected\n",
            online, device_count, (long long)repeated, (long long)refused, (long long)lost,
            (long long)unverified);
  }
}

static void beat_for(int64_t interval_ms, int64_t ms, int is_told, uint32_t silent) {
  uint32_t step = silent > 0 ? device_count / silent : 0;
  for (uint32_t index = 0; index < device_count; index++)
    devices[index].silent = step > 0 && index % step == step / 2 && index / step < silent;
  int64_t start_ns = now_ns(), end_ns = start_ns + ms * 1000000, beats = 0;
  while (now_ns() < end_ns) {
    beats = beat_due(beats, start_ns, interval_ms, is_told);
    calm_turn(300);
  }
  for (end_ns = now_ns() + GRACE_MS * 1000000LL; in_flight > 0 && now_ns() < end_ns;) turn(1000);
}

static void write_last(const char *file) {
  int64_t ahead_ns = clock_ns(CLOCK_REALTIME) - now_ns();
  FILE *list = fopen(file, "w");
  if (list == NULL) fail(file);
  for (uint32_t index = 0; index < device_count; index++)
    if (devices[index].silent)
      fprintf(list, "%u %lld\n", index, (long long)((devices[index].sent_ns + ahead_ns) / 1000000));
  fclose(list);
}

static double percentile(double share) {
  int64_t total = 0, sum = 0;
  for (int bucket = 0; bucket < BUCKETS; bucket++) total += latency[bucket];
  for (int bucket = 0; bucket < BUCKETS; bucket++)
    if ((sum += latency[bucket]) >= total * share) return bucket / 100.0;
  return 0;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run(char *line) {
  uint32_t window, silent;
  long interval, ms;
  int is_told;
  char file[256];
  int64_t start_ns = now_ns();
  double cpu = cpu_seconds();
  sent = acknowledged = repeated = lost = refused = unverified = late = 0;
  memset(latency, 0, sizeof latency);
  if (sscanf(line, "hello %u %ld", &window, &interval) == 2) say_hello(window, interval);
  else if (sscanf(line, "beat %ld %ld %d %u", &interval, &ms, &is_told, &silent) == 4)
    beat_for(interval, ms, is_told, silent);
  else if (sscanf(line, "last %255s", file) == 1) write_last(file);
  else fail(line);
  printf("{\"seconds\":%.3f,\"cpuSeconds\":%.3f,\"sent\":%lld,\"acknowledged\":%lld,"
         "\"repeated\":%lld,\"lost\":%lld,\"refused\":%lld,\"unverified\":%lld,\"late\":%lld,"
         "\"unanswered\":%u,\"p50Ms\":%.2f,\"p99Ms\":%.2f}\n",
         (now_ns() - start_ns) / 1e9, cpu_seconds() - cpu, (long long)sent, (long long)acknowledged,
         (long long)repeated, (long long)lost, (long long)refused, (long long)unverified,
         (long long)late, in_flight, percentile(0.5), percentile(0.99));
  fflush(stdout);
}

static void prepare(const char *address, int port) {
  int bytes = SOCKET_BYTES;
  socket_fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (socket_fd < 0) fail("socket");
  // More than the kernel's limit where this user may.
  if (setsockopt(socket_fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    setsockopt(socket_fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  struct sockaddr_in any = {.sin_family = AF_INET};
  if (bind(socket_fd, (struct sockaddr *)&any, sizeof any) != 0) fail("bind");
  gateway = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, address, &gateway.sin_addr) != 1) fail(address);
  // In the longest ring a request stays for 40 s, whether it was answered or not.
  ring_size = device_count * 4UL + 65536;
  for (int index = 0; index < RINGS; index++)
    rings[index].items = malloc(ring_size * sizeof *rings[index].items);
  sealing = EVP_CIPHER_CTX_new();
  opening = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(sealing, EVP_aes_128_ccm(), NULL, NULL, NULL);
  EVP_DecryptInit_ex(opening, EVP_aes_128_ccm(), NULL, NULL, NULL);
  EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_SET_IVLEN, IV, NULL);
  EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_AEAD_SET_IVLEN, IV, NULL);
}

int main(int count, char **words) {
  if (count != 4) {
    fprintf(stderr, "load ADDRESS PORT FILE\n");
    return 2;
  }
  read_devices(words[3]);
  prepare(words[1], atoi(words[2]));
  char line[512];
  while (fgets(line, sizeof line, stdin) != NULL) run(line);
  return 0;
}
