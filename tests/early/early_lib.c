/* SPDX-License-Identifier: MIT */
/* For early.t: a library that is preloaded beside libhakmem and allocates when few expect
 * it: in its DT_INIT, in constructors, in destructors, at exit, in destructors of
 * thread-specific data. Whatever it got early it verifies and frees late. Failure is exit
 * status 99.
 *
 * Built as a module (-module -avoid-version) with -Wl,-init,early_init and
 * -Wl,-fini,late_fini. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Visible to early.t: the destructors ran to the end. */
#define LAST_WORDS "early_lib: done\n"

#define REQUIRE(cond)                                                    \
    do {                                                                 \
        if (!(cond)) {                                                   \
            dprintf(2, "# early_lib:%d: not so: %s\n", __LINE__, #cond); \
            _exit(99);                                                   \
        }                                                                \
    } while (0)

enum { KINDS = 6, STAGES = 4 };

static const size_t sizes[KINDS] = {1, 64, 3000, 50000, 700000, 9000000};
static unsigned char *kept[STAGES][KINDS];
static pthread_key_t key;

/* One block of each kind that stays, and some traffic. */
static void allocate(int stage)
{
    for (int i = 0; i < KINDS; i++) {
        unsigned char *p = malloc(sizes[i]);
        REQUIRE(p != NULL);
        memset(p, stage * 16 + i, sizes[i]);
        kept[stage][i] = p;
        void *volatile other = calloc(1, sizes[i]);
        REQUIRE(other != NULL);
        other = realloc(other, sizes[i] * 2);
        REQUIRE(other != NULL);
        free(other);
    }
    void *volatile aligned = NULL;
    REQUIRE(posix_memalign((void **)&aligned, 4096, 100) == 0);
    free(aligned);
}

static void verify_and_free(int stage)
{
    for (int i = 0; i < KINDS; i++) {
        unsigned char *p = kept[stage][i];
        REQUIRE(p[0] == stage * 16 + i && p[sizes[i] - 1] == stage * 16 + i);
        free(p);
        kept[stage][i] = NULL;
    }
}

static void free_and_allocate(void *held)
{
    free(held);
    void *volatile p = malloc(200);
    REQUIRE(p != NULL);
    free(p);
}

static void at_exit(void)
{
    allocate(3);
    verify_and_free(1);
}

void early_init(void);
void early_init(void)
{
    allocate(0);
}

__attribute__((constructor(101))) static void first_constructor(void)
{
    allocate(1);
    REQUIRE(atexit(at_exit) == 0);
    REQUIRE(pthread_key_create(&key, free_and_allocate) == 0);
    REQUIRE(pthread_setspecific(key, malloc(300)) == 0);
    /* dlsym allocates inside libc, with the loader's lock held. */
    REQUIRE(dlsym(RTLD_DEFAULT, "malloc") != NULL);
    (void)dlsym(RTLD_DEFAULT, "no such symbol");
    (void)dlerror();
}

static void *work(void *unused)
{
    (void)unused;
    REQUIRE(pthread_setspecific(key, malloc(400)) == 0);
    for (int i = 0; i < 1000; i++) {
        void *volatile p = malloc((size_t)i * 10);
        REQUIRE(p != NULL);
        free(p);
    }
    return NULL;
}

static void run_a_thread(void)
{
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, work, NULL) == 0);
    REQUIRE(pthread_join(id, NULL) == 0);
}

__attribute__((constructor)) static void last_constructor(void)
{
    allocate(2);
    run_a_thread();
}

__attribute__((destructor)) static void first_destructor(void)
{
    verify_and_free(2);
    run_a_thread();
}

__attribute__((destructor(101))) static void last_destructor(void)
{
    verify_and_free(3);
}

void late_fini(void);
void late_fini(void)
{
    verify_and_free(0);
    for (int i = 0; i < 100; i++) {
        void *volatile p = malloc((size_t)i * 1000);
        REQUIRE(p != NULL);
        free(p);
    }
    /* The program may have closed or redirected 2; 19 is for early.t. */
    (void)!write(19, LAST_WORDS, strlen(LAST_WORDS));
}
