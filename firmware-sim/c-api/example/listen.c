/* Prints the detections in a recording.
 *
 *     listen MODEL.q8 SAMPLES     SAMPLES is raw: 16 bits, little-endian, mono, at the model's rate
 *
 * One line an event: start and end of the window in samples, confidence in units of 1/32768, label.
 * A microcontroller would have the model in flash and the memory in a static array instead. */
#include "auricle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The bytes of a file, or null. */
static uint8_t *load(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        return NULL;
    long size = ftell(file);
    rewind(file);
    uint8_t *bytes = size < 0 ? NULL : malloc(size ? (size_t)size : 1);
    *len = bytes ? fread(bytes, 1, (size_t)size, file) : 0;
    fclose(file);
    return bytes;
}

static int fail(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    return 1;
}

static void print_events(AuricleListener *listener)
{
    AuricleEvent event;
    while (auricle_poll(listener, &event)) {
        char label[64];
        if (auricle_label(listener, event.class_index, label, sizeof label) != AURICLE_STATUS_OK)
            snprintf(label, sizeof label, "class %u", (unsigned)event.class_index);
        printf("%" PRIu64 " %" PRIu64 " %u %s\n", event.start, event.end,
               (unsigned)event.confidence, label);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: listen MODEL.q8 SAMPLES\n");
        return 1;
    }
    size_t model_len;
    uint8_t *model = load(argv[1], &model_len);
    if (!model)
        return fail(argv[1], "cannot be read");

    AuricleStatus status;
    size_t memory_len = auricle_memory_bytes(model, model_len, 0, &status);
    if (status != AURICLE_STATUS_OK)
        return fail(argv[1], auricle_status_text(status));
    uint8_t *memory = malloc(memory_len);
    if (!memory)
        return fail(argv[1], "there is not enough memory for the model");
    AuricleListener *listener;
    status = auricle_init(&listener, model, model_len, 0, memory, memory_len);
    if (status != AURICLE_STATUS_OK)
        return fail(argv[1], auricle_status_text(status));

    FILE *file = fopen(argv[2], "rb");
    if (!file)
        return fail(argv[2], "cannot be read");
    uint8_t bytes[512];
    size_t count;
    while ((count = fread(bytes, 2, sizeof bytes / 2, file)) > 0) {
        int16_t samples[sizeof bytes / 2];
        for (size_t i = 0; i < count; i++)
            samples[i] = (int16_t)(uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
        auricle_push(listener, samples, count);
        print_events(listener);
    }
    fclose(file);
    free(memory);
    free(model);
    return 0;
}
