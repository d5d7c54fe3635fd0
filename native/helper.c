/* Our native threads, and how they keep out of the program's own forks.

   From 3.12 on os.fork() counts the threads of the process and warns when there is more than one (posixmodule.c,
   warn_about_fork_with_threads): with ours it would warn in programs that have none, or fail under -W error. So they end
   before a fork() of the program's and begin anew when it has returned to Python. What they wait for is kept as points in
   time outside of them, so nothing is put off. vfork(), posix_spawn() and our own clone (forkside.c) do not come here. */
#include "helper.h"
#include FORKPOINT_FRAMES_HEADER

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    HELPERS_MAX = 4,
    GONE_LOOKS = 2000, /* with the next: 0.1 s and more */
    GONE_LOOK_NANOSECONDS = 50000,
};

static fp_helper *helpers[HELPERS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all of this; held across a fork */

int fp_helper_is_ours(const fp_helper *helper)
{
    return helper->owner == getpid();
}

int fp_helpers_running(void)
{
    int running = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < HELPERS_MAX; i++) {
        running += helpers[i] != NULL && fp_helper_is_ours(helpers[i]) && !helpers[i]->parked;
    }
    pthread_mutex_unlock(&lock);
    return running;
}

/* The thread's first steps. */
static void *enter(void *given)
{
    fp_helper *helper = given;
    helper->id = (pid_t)syscall(SYS_gettid);
    return helper->run(NULL);
}

/* 0 or an errno. The caller holds the lock. */
static int begin(fp_helper *helper)
{
    helper->begin();
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&helper->thread, NULL, enter, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    helper->parked = 0;
    helper->owner = failed ? 0 : getpid();
    return failed;
}

/* pthread_join returns when the thread lets go of its memory; the kernel counts it among the process's threads for some
   instructions longer (kernel/exit.c: mm_release before release_task), or until a debugger has seen its end. */
static void end(fp_helper *helper)
{
    helper->end();
    pthread_join(helper->thread, NULL);
    const struct timespec moment = {.tv_nsec = GONE_LOOK_NANOSECONDS};
    for (int i = 0; i < GONE_LOOKS && syscall(SYS_tgkill, getpid(), helper->id, 0) == 0; i++) {
        nanosleep(&moment, NULL);
    }
}

/* ------------------------------------------------------------------------------------- around the program's forks */

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < HELPERS_MAX; i++) {
        if (helpers[i] != NULL && fp_helper_is_ours(helpers[i]) && !helpers[i]->parked) {
            end(helpers[i]);
            helpers[i]->parked = 1;
        }
    }
}

static int begin_parked(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < HELPERS_MAX; i++) {
        if (helpers[i] != NULL && fp_helper_is_ours(helpers[i]) && helpers[i]->parked) {
            (void)begin(helpers[i]); /* without room for a thread: no commits of its own from here on */
        }
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
    /* The count is taken after this, in the thread that forked: it is back in Python when the queued call runs. Another
       thread than the main one is one too many by itself. */
    if (!FORKPOINT_FORK_COUNTS_THREADS || syscall(SYS_gettid) != getpid() || fp_add_pending_call(begin_parked, NULL) < 0) {
        begin_parked(NULL);
    }
}

static void in_forked(void)
{
    pthread_mutex_init(&lock, NULL);
}

/* ------------------------------------------------------------------------------------------------ starting, stopping */

int fp_helper_start(fp_helper *helper)
{
    static int watching;
    if (!watching) {
        watching = pthread_atfork(before_fork, after_fork, in_forked) == 0;
    }
    pthread_mutex_lock(&lock);
    int at = 0;
    while (at < HELPERS_MAX - 1 && helpers[at] != NULL && helpers[at] != helper) {
        at++;
    }
    helpers[at] = helper;
    int failed = begin(helper);
    pthread_mutex_unlock(&lock);
    if (failed) {
        errno = failed;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

void fp_helper_stop(fp_helper *helper)
{
    if (!fp_helper_is_ours(helper)) {
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&lock);
    if (!helper->parked) {
        end(helper);
    }
    helper->owner = 0;
    helper->parked = 0;
    pthread_mutex_unlock(&lock);
    Py_END_ALLOW_THREADS
}
