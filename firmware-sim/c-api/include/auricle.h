/* Auricle: an int8 audio classifier on a stream of samples.
 *
 *     static uint8_t memory[N];                        aligned to AURICLE_ALIGNMENT
 *     AuricleListener *listener;
 *     AuricleStatus status = auricle_init(&listener, model, model_len, 0, memory, sizeof memory);
 *     ...
 *     auricle_push(listener, samples, count);          16 bits, mono, at the model's rate
 *     while (auricle_poll(listener, &event)) ...
 *
 * N is what auricle_memory_bytes says on the machine itself; a computer with 64-bit pointers says more
 * than a microcontroller. There is no heap and no global state: any number of listeners can work side by
 * side, but one listener must not be used by two threads or an interrupt at the same time.
 * auricle_init needs a few kilobytes of stack, the other functions less.
 *
 * Link libauricle.a, which "cargo build --release -p auricle-c-api" makes. For machines without an
 * operating system add "--no-default-features --target ...", on a Cortex-M4, M7 or M33 and later also
 * "--features dsp", for networks with gates, shortcuts or global maxima "--features gates", and define
 * "void auricle_panic(void)", which must not return: it is called where the library finds an error of
 * its own.
 *
 * Made by cbindgen from the sources in firmware-sim/c-api; do not edit. */

#ifndef AURICLE_H
#define AURICLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Events that a listener keeps for auricle_poll; the oldest one goes when there are more.
#define AURICLE_EVENTS 8

// The memory of a listener begins at a multiple of so many bytes.
#define AURICLE_ALIGNMENT 8

// What a function answers. auricle_status_text has a sentence for each.
enum AuricleStatus
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It worked.
    AURICLE_STATUS_OK = 0,
    // A pointer is null or misaligned, or a length is impossible.
    AURICLE_STATUS_ARGUMENT = 1,
    // The listener was not made by auricle_init, or its memory was overwritten or moved.
    AURICLE_STATUS_LISTENER = 2,
    // The memory does not begin at a multiple of AURICLE_ALIGNMENT.
    AURICLE_STATUS_MISALIGNED = 3,
    // The memory is shorter than auricle_memory_bytes.
    AURICLE_STATUS_MEMORY = 4,
    // The memory overlaps the model.
    AURICLE_STATUS_OVERLAP = 5,
    // The model needs more memory than this machine can address.
    AURICLE_STATUS_TOO_LARGE = 6,
    // The hop is longer than 2147483647 samples.
    AURICLE_STATUS_HOP = 7,
    // There is no such class.
    AURICLE_STATUS_CLASS = 8,
    // What was asked for does not fit where it should go.
    AURICLE_STATUS_BUFFER = 9,
    // No window has ended since the start or the last reset.
    AURICLE_STATUS_NO_WINDOW = 10,
    // The bytes are no int8 model (.q8).
    AURICLE_STATUS_NOT_MODEL = 20,
    // The model has a format version that this library does not read.
    AURICLE_STATUS_VERSION = 21,
    // The model is cut short.
    AURICLE_STATUS_TRUNCATED = 22,
    // The model is damaged: its checksum does not match.
    AURICLE_STATUS_CHECKSUM = 23,
    // The model's description cannot be read.
    AURICLE_STATUS_MALFORMED = 24,
    // The model's network cannot be built, or takes a library with the feature gates.
    AURICLE_STATUS_NETWORK = 25,
    // The model's weights or scales do not fit its network.
    AURICLE_STATUS_WEIGHTS = 26,
    // The model's labels do not fit its classes.
    AURICLE_STATUS_LABELS = 27,
    // The model's decision settings do not fit its classes.
    AURICLE_STATUS_DECISION = 28,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum AuricleStatus AuricleStatus;
#else
typedef int32_t AuricleStatus;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A model somewhere in a stream of samples. It lies in the memory given to auricle_init.
typedef struct AuricleListener AuricleListener;

// One detection. Times are counts of samples since the start or the last reset.
typedef struct AuricleEvent {
    // First sample of the window that decided; of a tag where it begins.
    uint64_t start;
    // The sample after that window's last one: the time of the decision; of a tag where it ends.
    uint64_t end;
    // Events before this one that nobody polled in time.
    uint32_t lost;
    // Index of the class; auricle_label has its name.
    uint16_t class_index;
    // Averaged posterior in units of 1/32768: 32768 is certain.
    uint16_t confidence;
} AuricleEvent;

// What a listener expects and does.
typedef struct AuricleInfo {
    // Samples a second of the audio that the model was trained on.
    uint32_t sample_rate_hz;
    // Samples of a window.
    uint32_t window;
    // Samples between the ends of two windows.
    uint32_t hop;
    // Number of classes.
    uint32_t classes;
} AuricleInfo;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Bytes of memory that auricle_init needs for a model on this machine, with windows every hop
// samples; a hop of 0 is the model's own. 0 if there can be no listener; status, unless it is null,
// receives the reason or AURICLE_STATUS_OK.
//
// A hop that is a multiple of many of the network's strides takes less work and other memory
// than one that is not.
//
// The caller promises:
// model points to model_len readable bytes, status to a status or nowhere.
size_t auricle_memory_bytes(const uint8_t *model,
                            size_t model_len,
                            uint32_t hop,
                            AuricleStatus *status);

// Makes a listener at the start of a stream, with windows every hop samples (0: the model's own
// hop), and puts a pointer to it into *listener, or null if it fails.
//
// Listener, parsed model and the memory of engine and detector all lie in memory. It begins at a
// multiple of AURICLE_ALIGNMENT and has at least auricle_memory_bytes bytes, with any content.
// There is nothing to free: memory that no function will be called for any more can be used again.
//
// The model is read in place. It must stay where and as it is for as long as the listener is used,
// and so must the memory, which nothing else may touch.
//
// The caller promises:
// listener points to a pointer, model to model_len readable bytes, memory to memory_len
// readable and writable ones; and the above.
AuricleStatus auricle_init(struct AuricleListener **listener,
                           const uint8_t *model,
                           size_t model_len,
                           uint32_t hop,
                           uint8_t *memory,
                           size_t memory_len);

// Takes samples, any number at a time: the cut of the stream makes no difference. Every window that
// they complete is computed before the function returns, and its event, if there is one, waits
// for auricle_poll.
//
// The caller promises:
// listener is null or from auricle_init and nobody else uses it now; samples points to count
// readable samples, or count is 0.
AuricleStatus auricle_push(struct AuricleListener *listener,
                           const int16_t *samples,
                           size_t count);

// Moves the oldest event that waits to *event and returns true; false if none does or an argument
// is wrong. The newest AURICLE_EVENTS events are kept.
//
// The caller promises:
// listener is null or from auricle_init and nobody else uses it now; event is null or points to
// an event.
bool auricle_poll(struct AuricleListener *listener,
                  struct AuricleEvent *event);

// Forgets all samples and events: the state after auricle_init. Times are counted anew.
//
// The caller promises:
// listener is null or from auricle_init and nobody else uses it now.
AuricleStatus auricle_reset(struct AuricleListener *listener);

// Writes the posteriors of the newest window to out, one a class, in units of 1/32768.
// Those of a window that the gate of the model's settings finds quiet are 0.
// AURICLE_STATUS_BUFFER if count is below the number of classes, AURICLE_STATUS_NO_WINDOW if
// there was no window yet.
//
// The caller promises:
// listener is null or from auricle_init and nobody else changes it now; out points to count
// writable numbers.
AuricleStatus auricle_posteriors(const struct AuricleListener *listener,
                                 uint16_t *out,
                                 size_t count);

// Writes the label of a class to out: UTF-8 with a zero behind it. If that does not fit in
// size bytes, the answer is AURICLE_STATUS_BUFFER and the text is empty.
//
// The caller promises:
// listener is null or from auricle_init and nobody else changes it now; out points to size
// writable bytes.
AuricleStatus auricle_label(const struct AuricleListener *listener,
                            uint16_t class_index,
                            char *out,
                            size_t size);

// Writes what the listener expects and does to *info.
//
// The caller promises:
// listener is null or from auricle_init and nobody else changes it now; info is null or points
// to an AuricleInfo.
AuricleStatus auricle_info(const struct AuricleListener *listener,
                           struct AuricleInfo *info);

// A sentence in English for a status. It never has to be freed.
const char *auricle_status_text(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* AURICLE_H */
