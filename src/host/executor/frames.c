/* Frames in and records out, and the two ways to fail. */
#include "inspector.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME_MAX (16u << 20)

static u32 *in;
static u32 in_room;
static u8 *out;
static u64 out_size, out_room;
static u64 record_at;

void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "faultline-executor: ");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  exit(1);
}

u32 take(struct reader *r) {
  if (r->at >= r->end) {
    r->bad = 1;
    return 0;
  }
  return *r->at++;
}

u64 take64(struct reader *r) {
  u64 low = take(r);
  return low | (u64)take(r) << 32;
}

const u8 *take_bytes(struct reader *r, u32 bytes) {
  u64 words = ((u64)bytes + 3) / 4;
  const u8 *found = (const u8 *)r->at;
  if (words > (u64)(r->end - r->at)) {
    r->bad = 1;
    return NULL;
  }
  r->at += words;
  return found;
}

static int read_fully(void *into, u64 size) {
  u64 have = 0;
  while (have < size) {
    ssize_t n = read(0, (u8 *)into + have, size - have);
    if (n == 0) return 0;
    if (n < 0 && errno != EINTR) return 0;
    if (n > 0) have += (u64)n;
  }
  return 1;
}

int read_frame(struct reader *r) {
  u32 size;
  if (!read_fully(&size, 4)) return 0;
  if (size > FRAME_MAX || size % 4) die("a request frame of %u bytes", size);
  if (size > in_room) {
    in_room = size;
    in = realloc(in, size);
    if (!in) die("no memory for a request");
  }
  if (!read_fully(in, size)) return 0;
  *r = (struct reader){in, in + size / 4, 0};
  return 1;
}

static void need(u64 size) {
  if (out_size + size + 16 <= out_room) return;
  out_room = (out_room + size + 4096) * 2;
  out = realloc(out, out_room);
  if (!out) die("no memory for an answer");
}

void put(u32 word) {
  need(4);
  memcpy(out + out_size, &word, 4);
  out_size += 4;
}

void put64(u64 value) {
  put((u32)value);
  put((u32)(value >> 32));
}

void put_bytes(const void *bytes, u64 size) {
  u64 padded = (size + 3) & ~3UL;
  need(padded);
  if (size) memcpy(out + out_size, bytes, size);
  memset(out + out_size + size, 0, padded - size);
  out_size += padded;
}

void record_begin(u32 type) {
  if (out_size == 0) put(0);
  put(type);
  record_at = out_size;
  put(0);
}

void record_end(void) {
  u32 bytes = (u32)(out_size - record_at - 4);
  memcpy(out + record_at, &bytes, 4);
}

void send_frame(void) {
  u32 size = (u32)(out_size - 4);
  memcpy(out, &size, 4);
  u64 done = 0;
  while (done < out_size) {
    ssize_t n = write(1, out + done, out_size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) exit(0); /* Nobody listens any more. */
    done += (u64)n;
  }
  out_size = 0;
}

void note(u32 step, u32 code, int error, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  record_begin(REC_NOTE);
  put(step);
  put(code);
  put((u32)error);
  put((u32)strlen(text));
  put_bytes(text, strlen(text));
  record_end();
}
