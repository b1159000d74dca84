/* SPDX-License-Identifier: MIT */
/* The library is loaded by dlopen into a program that runs on libc's malloc, as a plugin
 * that was linked with it does. Its names interpose nothing then; it must load (static
 * TLS is scarce), work beside the other allocator, and stay when it is closed.
 *
 * Not linked with libhakmem. The library: argument 1, HM_LIBRARY, or
 * .libs/libhakmem.so.0. */
#include "../support.h"

#include <dlfcn.h>
#include <link.h>

static const char *library;

struct api {
    void *handle;
    void *(*malloc)(size_t size);
    void *(*realloc)(void *ptr, size_t size);
    void (*free)(void *ptr);
    size_t (*usable)(void *ptr);
    const char *(*version)(void);
    size_t (*trim)(void);
};

static struct api load(int flags)
{
    struct api a;
    a.handle = dlopen(library, flags);
    if (a.handle == NULL)
        dprintf(2, "# %s\n", dlerror());
    REQUIRE(a.handle != NULL);
    *(void **)&a.malloc = dlsym(a.handle, "malloc");
    *(void **)&a.realloc = dlsym(a.handle, "realloc");
    *(void **)&a.free = dlsym(a.handle, "free");
    *(void **)&a.usable = dlsym(a.handle, "malloc_usable_size");
    *(void **)&a.version = dlsym(a.handle, "hakmem_version");
    *(void **)&a.trim = dlsym(a.handle, "hakmem_trim");
    REQUIRE(a.malloc != NULL && a.realloc != NULL && a.free != NULL && a.usable != NULL);
    REQUIRE(a.version != NULL && a.trim != NULL);
    return a;
}

/* Blocks of both allocators side by side, each given back to its own. */
static void use(const struct api *a)
{
    enum { LIVE = 50 };
    void *theirs[LIVE], *ours[LIVE];
    for (size_t size = 1; size <= 8 * MIB; size *= 4) {
        for (size_t i = 0; i < LIVE; i++) {
            theirs[i] = malloc(size % 100000);
            ours[i] = a->malloc(size);
            REQUIRE(theirs[i] != NULL && ours[i] != NULL);
            REQUIRE(a->usable(ours[i]) >= size);
            fill(ours[i], size < 4096 ? size : 4096, i);
        }
        for (size_t i = 0; i < LIVE; i++) {
            REQUIRE(intact(ours[i], size < 4096 ? size : 4096, i));
            ours[i] = a->realloc(ours[i], size + 100);
            REQUIRE(ours[i] != NULL);
            a->free(ours[i]);
            free(theirs[i]);
        }
    }
}

static void it_loads_in_every_mode_and_works(void *mode)
{
    void *(*before)(size_t) = malloc;
    struct api a = load(*(const int *)mode);
    REQUIRE(a.version()[0] >= '0' && a.version()[0] <= '9');
    REQUIRE(malloc == before); /* nothing was interposed */
    use(&a);
    REQUIRE(dlclose(a.handle) == 0);
}

static void dlopen_in_every_mode_gives_a_working_allocator(void **state)
{
    (void)state;
    static int modes[] = {RTLD_NOW | RTLD_LOCAL, RTLD_LAZY | RTLD_LOCAL,
                          RTLD_NOW | RTLD_GLOBAL, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND};
    for (size_t i = 0; i < COUNT(modes); i++)
        ASSERT_CHILD(it_loads_in_every_mode_and_works, &modes[i]);
}

static void open_and_close_often(void *arg)
{
    (void)arg;
    struct api first = load(RTLD_NOW | RTLD_LOCAL);
    void *kept = first.malloc(1000);
    REQUIRE(kept != NULL);
    fill(kept, 1000, 1);
    REQUIRE(dlclose(first.handle) == 0);
    for (int i = 0; i < 200; i++) {
        struct api a = load(RTLD_NOW | RTLD_LOCAL);
        REQUIRE(a.malloc == first.malloc); /* it never left */
        a.free(a.malloc((size_t)i * 100));
        REQUIRE(dlclose(a.handle) == 0);
    }
    REQUIRE(intact(kept, 1000, 1));
    first.free(kept);
}

static void it_stays_when_closed_and_blocks_stay_valid(void **state)
{
    (void)state;
    ASSERT_CHILD(open_and_close_often, NULL);
}

static void *use_in_a_thread(void *arg)
{
    use(arg);
    return NULL;
}

static pthread_barrier_t loaded;
static struct api shared_api;

static void *born_before(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&loaded);
    use(&shared_api);
    return NULL;
}

/* Threads that existed before the library did, and threads that end after it was closed.
 */
static void load_between_threads(void *arg)
{
    (void)arg;
    pthread_t old[4];
    pthread_barrier_init(&loaded, NULL, COUNT(old) + 1);
    for (size_t i = 0; i < COUNT(old); i++)
        REQUIRE(pthread_create(&old[i], NULL, born_before, NULL) == 0);
    shared_api = load(RTLD_NOW | RTLD_LOCAL);
    pthread_barrier_wait(&loaded);
    run_threads(4, use_in_a_thread, &shared_api, 0);
    REQUIRE(dlclose(shared_api.handle) == 0);
    for (size_t i = 0; i < COUNT(old); i++)
        REQUIRE(pthread_join(old[i], NULL) == 0);
    run_threads(4, use_in_a_thread, &shared_api, 0);
}

static void threads_born_before_and_after_can_use_it(void **state)
{
    (void)state;
    ASSERT_CHILD(load_between_threads, NULL);
}

static void load_in_a_thread_and_fork(void *arg)
{
    (void)arg;
    struct api a = load(RTLD_NOW | RTLD_LOCAL);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            use(&a);
            _exit(0);
        }
        int status;
        REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
    }
    exit(0);
}

static void fork_and_exit_work_with_it_loaded(void **state)
{
    (void)state;
    ASSERT_CHILD(load_in_a_thread_and_fork, NULL);
}

/* A new namespace has a libc of its own: two libcs, two of us. */
static void load_into_a_namespace(void *arg)
{
    (void)arg;
    void *handle = dlmopen(LM_ID_NEWLM, library, RTLD_NOW);
    if (handle == NULL)
        dprintf(2, "# %s\n", dlerror());
    REQUIRE(handle != NULL);
    void *(*get)(size_t);
    void (*give)(void *);
    *(void **)&get = dlsym(handle, "malloc");
    *(void **)&give = dlsym(handle, "free");
    for (int i = 0; i < 1000; i++)
        give(get((size_t)i * 50));
}

static void it_loads_into_a_namespace_of_its_own(void **state)
{
    (void)state;
    ASSERT_CHILD(load_into_a_namespace, NULL);
}

int main(int argc, char **argv)
{
    static char beside[4096];
    library = argc > 1 ? argv[1] : getenv("HM_LIBRARY");
    if (library == NULL && find_beside("../.libs/libhakmem.so.0", beside, sizeof(beside)))
        library = beside;
    if (library == NULL)
        library = "./.libs/libhakmem.so.0";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dlopen_in_every_mode_gives_a_working_allocator),
        cmocka_unit_test(it_stays_when_closed_and_blocks_stay_valid),
        cmocka_unit_test(threads_born_before_and_after_can_use_it),
        cmocka_unit_test(fork_and_exit_work_with_it_loaded),
        cmocka_unit_test(it_loads_into_a_namespace_of_its_own),
    };
    return RUN_TESTS(tests);
}
