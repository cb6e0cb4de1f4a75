/* threads.c - one small pool of threads for the whole process.
 *
 * fe_parallel() runs task(context, 0 .. count - 1), each index once, on the calling thread and on
 * up to threads - 1 others, and returns when all are done. Which thread takes which index is left
 * to chance; results never depend on it.
 *
 *   lazy       threads are made when first needed, and sleep between calls
 *   one user   a second caller at the same time (threads of Python, Dask, joblib) works alone, on
 *              its own thread: never more threads than asked for, never a wait for another's work
 *   fork       never waits; the child starts with an empty pool
 *   slots      a thread has the same number in all tasks of a call, for scratch memory of its own
 *   pause      now and then, between two of its tasks, the calling thread asks whether to go on
 *   signals    are blocked in the pool, so that they reach the threads of the program
 */
#include "fastent.h"

#if defined(_WIN32)
int fe_parallel(fe_task task, void *context, size_t count, int threads, fe_pause pause) {
  (void)threads;
  for (size_t i = 0; i < count; i++) {
    if (i % 16 == 15 && pause() != 0) return -1;
    task(context, i, 0);
  }
  return 0;
}
#else
#include <pthread.h>
#include <signal.h>
#include <time.h>

#define FE_THREAD_STACK (1u << 20)
#define FE_PAUSE_MILLISECONDS 50

static pthread_mutex_t user = PTHREAD_MUTEX_INITIALIZER; /* held during a call */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static pthread_cond_t start = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int workers, wanted, active; /* threads in the pool; that may still join; at work */
static fe_task job;
static void *job_context;
static size_t job_count, job_next, job_slots; /* job_next: atomic */
static int forks;                             /* how often this process is a fork of one */

static int64_t milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes tasks until there are none left; `pause` is NULL in the pool. A long call may be made of
 * many short ones here, so when a thread paused last is remembered beyond them. */
static int run_job(fe_task task, void *context, size_t count, size_t *next, size_t slot,
                   fe_pause pause) {
  static _Thread_local int64_t last;
  for (;;) {
    const size_t i = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
    if (i >= count) return 0;
    task(context, i, slot);
    if (pause == NULL || milliseconds() - last < FE_PAUSE_MILLISECONDS) continue;
    const int stop = pause();
    last = milliseconds();
    if (stop != 0) {
      __atomic_store_n(next, count, __ATOMIC_RELAXED);
      return -1;
    }
  }
}

static void *worker(void *unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (wanted == 0) pthread_cond_wait(&start, &lock);
    wanted--;
    active++;
    const fe_task task = job;
    void *const context = job_context;
    const size_t count = job_count, slot = job_slots++;
    pthread_mutex_unlock(&lock);
    run_job(task, context, count, &job_next, slot, NULL);
    pthread_mutex_lock(&lock);
    if (--active == 0) pthread_cond_signal(&done);
  }
  return NULL;
}

/* The pool's threads are gone, and so is whoever used them: nobody holds these or waits for them.
 * To wait before a fork for a call to end would hang, since that call may wait in `pause` for the
 * interpreter's lock, which the forking thread holds. */
static void after_fork_child(void) {
  pthread_mutex_init(&user, NULL);
  pthread_mutex_init(&lock, NULL);
  pthread_cond_init(&start, NULL);
  pthread_cond_init(&done, NULL);
  workers = wanted = active = 0;
  forks++;
}

static void register_fork(void) { pthread_atfork(NULL, NULL, after_fork_child); }

/* Makes threads until there are `count`, or as many as the system gives. */
static void grow(int count) {
  sigset_t every, before;
  pthread_attr_t attributes;
  if (workers >= count || pthread_attr_init(&attributes) != 0) return;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, FE_THREAD_STACK);
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  pthread_t thread;
  while (workers < count && pthread_create(&thread, &attributes, worker, NULL) == 0) workers++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
}

int fe_parallel(fe_task task, void *context, size_t count, int threads, fe_pause pause) {
  if (threads > FE_SLOTS) threads = FE_SLOTS;
  if ((size_t)threads > count) threads = (int)count;
  if (threads > 1) pthread_once(&once, register_fork);
  if (threads <= 1 || pthread_mutex_trylock(&user) != 0) {
    size_t next = 0;
    return run_job(task, context, count, &next, 0, pause);
  }
  pthread_mutex_lock(&lock);
  grow(threads - 1);
  job = task;
  job_context = context;
  job_count = count;
  job_slots = 1;
  __atomic_store_n(&job_next, 0, __ATOMIC_RELAXED);
  wanted = threads - 1 < workers ? threads - 1 : workers;
  for (int i = 0; i < wanted; i++) pthread_cond_signal(&start);
  pthread_mutex_unlock(&lock);
  const int before = forks;
  const int stopped = run_job(task, context, count, &job_next, 0, pause);
  if (forks != before) return -1; /* forked within `pause`: the pool's share is lost to the child */
  pthread_mutex_lock(&lock);
  wanted = 0; /* who has not come by now need not */
  while (active > 0) pthread_cond_wait(&done, &lock);
  pthread_mutex_unlock(&lock);
  pthread_mutex_unlock(&user);
  return stopped;
}
#endif
