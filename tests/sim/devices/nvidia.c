/* NVIDIA's two libraries in small, with their calling conventions: structures by value included.
 * Environment: FAKE_GPUS and FAKE_SWITCHES (how many), FAKE_ARCH (NVML's number), FAKE_CC (0 or 1),
 * FAKE_FAIL (name of a function that fails), FAKE_SIZE (size that reports and chains claim),
 * FAKE_REPORT and FAKE_CHAIN (files that are answered instead of our own words).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static int fails(const char *name)
{
    const char *text = getenv("FAKE_FAIL");
    return text && !strcmp(text, name);
}

static uint32_t from_file(const char *name, void *room, size_t size, uint32_t otherwise)
{
    const char *path = getenv(name);
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (!file)
        return number("FAKE_SIZE", otherwise);
    size = fread(room, 1, size, file);
    fclose(file);
    return size;
}

#define ANSWER(code) return fails(__func__) ? 999 : (code)

typedef struct { unsigned environment, feature, tools; } state_t;
typedef struct {
    unsigned cec, size, cec_size;
    unsigned char nonce[32], report[0x2000], cec_report[0x1000];
} report_t;
typedef struct {
    unsigned identity_size, size;
    unsigned char identity[0x1000], chain[0x1400];
} certificates_t;

static int open_count;

int nvmlInit_v2(void) { open_count++; ANSWER(0); }
int nvmlShutdown(void) { open_count--; return 0; }
int fake_open_count(void) { return open_count; }
int nvmlSystemGetConfComputeState(state_t *state)
{
    state->feature = number("FAKE_CC", 1);
    ANSWER(0);
}
int nvmlDeviceGetCount_v2(unsigned *count) { *count = number("FAKE_GPUS", 1); ANSWER(0); }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle)
{
    *handle = (void *)(uintptr_t)(0x1000 + index);
    ANSWER(0);
}
int nvmlDeviceGetArchitecture(void *handle, unsigned *architecture)
{
    *architecture = (uintptr_t)handle & 1 ? 8 : number("FAKE_ARCH", 9);
    ANSWER(0);
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size)
{
    snprintf(text, size, "GPU-%lx", (unsigned long)(uintptr_t)handle);
    ANSWER(0);
}
int nvmlDeviceGetConfComputeGpuAttestationReport(void *handle, report_t *report)
{
    (void)handle;
    memcpy(report->report, report->nonce, 32);
    memcpy(report->report + 32, "report", 6);
    report->size = from_file("FAKE_REPORT", report->report, sizeof report->report, 38);
    ANSWER(0);
}
int nvmlDeviceGetConfComputeGpuCertificate(void *handle, certificates_t *found)
{
    (void)handle;
    memcpy(found->chain, "chain", 5);
    found->size = from_file("FAKE_CHAIN", found->chain, sizeof found->chain, 5);
    ANSWER(0);
}

typedef struct { uint8_t content[16]; } uuid_t;
typedef struct { char text[64]; } label_t;
typedef struct { int8_t code; void *session; } session_t;
typedef struct { uint32_t size; uint8_t content[0x2000]; } switch_report_t;
typedef struct { uint8_t content[0x1400]; uint32_t size; } switch_chain_t;
typedef void (*on_uuid_t)(const uuid_t *, int8_t, const uuid_t *, void *);
typedef void (*on_arch_t)(const uuid_t *, int8_t, int8_t, void *);
typedef void (*on_report_t)(const uuid_t *, int8_t, switch_report_t, void *);
typedef void (*on_chain_t)(const uuid_t *, int8_t, switch_chain_t, void *);

static uint8_t input[32];
static int sessions;

session_t nscq_session_create(uint32_t flags)
{
    session_t made = { flags == 1 && !fails(__func__) ? 0 : -1, &sessions };
    sessions += made.code == 0;
    return made;
}
void nscq_session_destroy(void *session) { sessions -= session == &sessions; }
int fake_sessions(void) { return sessions; }
int8_t nscq_session_set_input(void *session, uint32_t type, const void *data, uint32_t size)
{
    if (session != &sessions || type || size != 32 || fails(__func__))
        return -5;
    memcpy(input, data, 32);
    return 0;
}
int8_t nscq_uuid_to_label(const uuid_t *uuid, label_t *label, uint32_t flags)
{
    snprintf(label->text, sizeof label->text, "SWX-%02x", uuid->content[15]);
    return fails(__func__) || flags ? -3 : 0;
}
int8_t nscq_session_path_observe(void *session, const char *path, void *call, void *data,
                                 uint32_t flags)
{
    uuid_t uuid = { { 0 } };
    int8_t code = getenv("FAKE_CODE") ? number("FAKE_CODE", 0) : 0;
    if (session != &sessions || flags || fails(path))
        return -1;
    if (!strcmp(path, "/drv/nvswitch/{device}/uuid")) {
        for (long n = 0; n < number("FAKE_SWITCHES", 1); n++) {
            uuid.content[15] = n + 1;
            ((on_uuid_t)call)(&uuid, code, &uuid, data);
        }
    } else if (strstr(path, "/id/arch")) {
        ((on_arch_t)call)(&uuid, code, strstr(path, "SWX-02") ? 1 : 2, data);
    } else if (strstr(path, "/config/attestation_report")) {
        switch_report_t report = { number("FAKE_SIZE", 40), { 0 } };
        memcpy(report.content, input, 32);
        memcpy(report.content + 32, "switches", 8);
        ((on_report_t)call)(&uuid, code, report, data);
    } else if (strstr(path, "/config/certificate")) {
        switch_chain_t chain = { { 0 }, number("FAKE_SIZE", 5) };
        memcpy(chain.content, "chain", 5);
        ((on_chain_t)call)(&uuid, code, chain, data);
    }
    return 0;
}
