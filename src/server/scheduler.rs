//! Time-slicing scheduler of the worker threads: short recordings before long ones, without
//! starving the long ones.
//!
//! A recording is computed only while it holds one of the permits, one per worker. Between two
//! steps (a decoded block, a predicted chunk) it passes its permit on if it has held it for
//! [`SLICE`] and others wait.
//!
//! ```text
//! new ──▶ [ short queue ] ──▶ permit ──▶ done
//!              ▲                │
//!   computed for < 250 ms       ├── slice used up, and others wait
//!              └────────────────┤
//!         [ long queue ] ◀──────┘ computed for ≥ 250 ms
//! ```
//!
//! Each queue is first in, first out. The short queue goes first, but every fourth permit goes to
//! the long queue. A 3 s clip therefore waits for other clips and one slice of an hour-long
//! recording, never for all of it, and long recordings get at least a quarter of the time. Tokio's
//! `Semaphore` has one queue in order of arrival: a clip would wait behind every long recording.
//!
//! A new recording has no thread yet. If it follows a finished one, it runs on that one's thread:
//! to wake another thread costs more than the wake-up, since the operating system may queue it
//! behind a computing thread while this thread's CPU idles. A thread is started only if a permit is
//! free or is passed on in the middle of a recording.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Time slice: about one chunk of the default model.
const SLICE: Duration = Duration::from_millis(25);
/// Computation time below which a recording waits in the short queue: a clip of half a minute with
/// the default model.
const SHORT: Duration = Duration::from_millis(250);
/// Consecutive permits of the short queue while the long queue waits.
const MAX_SHORT_RUN: usize = 3;

/// Queues and free permits.
#[derive(Debug)]
pub(super) struct Scheduler {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    short: VecDeque<Waiting>,
    long: VecDeque<Waiting>,
    /// Permits of the short queue since the long queue had one.
    short_run: usize,
}

/// A recording that waits for a permit.
#[derive(Debug)]
enum Waiting {
    New(NewWork),
    /// A thread in the middle of a recording.
    Suspended(SyncSender<()>),
}

/// A recording that has not started.
struct NewWork {
    run: Box<dyn FnOnce(&SharedPermit) + Send>,
    since: Instant,
}

impl std::fmt::Debug for NewWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewWork").field("since", &self.since).finish_non_exhaustive()
    }
}

impl State {
    /// Removes the next waiting recording.
    fn pop(&mut self) -> Option<Waiting> {
        let from_long = !self.long.is_empty() && (self.short.is_empty() || self.short_run >= MAX_SHORT_RUN);
        self.short_run = if from_long || self.long.is_empty() { 0 } else { self.short_run + 1 };
        if from_long { self.long.pop_front() } else { self.short.pop_front() }
    }

    /// Passes a permit to the next waiting recording, or frees it. The caller must run a returned
    /// recording with this permit.
    fn pass_on(&mut self) -> Option<NewWork> {
        while let Some(next) = self.pop() {
            match next {
                Waiting::New(work) => return Some(work),
                Waiting::Suspended(resume) if resume.send(()).is_ok() => return None,
                Waiting::Suspended(_) => {}
            }
        }
        self.free += 1;
        None
    }
}

impl Scheduler {
    pub(super) fn new(workers: usize) -> Arc<Self> {
        let state = State { free: workers, short: VecDeque::new(), long: VecDeque::new(), short_run: 0 };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Number of recordings that wait for a permit.
    pub(super) fn waiting(&self) -> usize {
        let state = self.state();
        state.short.len() + state.long.len()
    }

    /// Runs `work` as soon as it gets a permit. If no thread can be started, `work` is dropped.
    pub(super) fn spawn(self: &Arc<Self>, work: impl FnOnce(&SharedPermit) + Send + 'static) {
        let work = NewWork { run: Box::new(work), since: Instant::now() };
        let mut state = self.state();
        if state.free == 0 {
            state.short.push_back(Waiting::New(work));
            return;
        }
        state.free -= 1;
        drop(state);
        self.start_thread(work);
    }

    /// Runs work that has a permit on a new thread; if none can be started, passes the permit on.
    fn start_thread(self: &Arc<Self>, work: NewWork) {
        let mut next = Some(work);
        while let Some(work) = next {
            let scheduler = Arc::clone(self);
            let started = thread::Builder::new().name("persona-job".into()).spawn(move || scheduler.run(work));
            next = started.err().and_then(|_| self.state().pass_on());
        }
    }

    /// Runs work that has a permit, then with the same permit the new work that follows it.
    fn run(self: &Arc<Self>, work: NewWork) {
        let mut next = Some(work);
        while let Some(work) = next {
            let permit = Arc::new(Mutex::new(Permit::acquired(self, &work)));
            (work.run)(&permit);
            next = permit.lock().unwrap_or_else(PoisonError::into_inner).end();
        }
    }

    /// A poisoned lock is safe to use: no update of the state can panic halfway.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permit shared by a recording's reader and its control; both run on one thread.
pub(super) type SharedPermit = Arc<Mutex<Permit>>;

/// Permit of one recording, held or not, and the time that it was held. Dropped, it is passed on.
#[derive(Debug)]
pub(super) struct Permit {
    scheduler: Arc<Scheduler>,
    /// When it was acquired; `None` while it is not held.
    since: Option<Instant>,
    /// Time for which it was held before.
    held: Duration,
    waited: Duration,
}

impl Permit {
    /// The first permit of a recording.
    fn acquired(scheduler: &Arc<Scheduler>, work: &NewWork) -> Self {
        let waited = work.since.elapsed();
        Self { scheduler: Arc::clone(scheduler), since: Some(Instant::now()), held: Duration::ZERO, waited }
    }

    /// Permit of a started recording that does not hold it.
    #[cfg(test)]
    pub(super) fn unacquired(scheduler: &Arc<Scheduler>) -> Self {
        Self { scheduler: Arc::clone(scheduler), since: None, held: Duration::ZERO, waited: Duration::ZERO }
    }

    /// Waits for a permit, unless it is held.
    pub(super) fn acquire(&mut self) {
        if self.since.is_some() {
            return;
        }
        let began = Instant::now();
        if let Some(resumed) = self.enqueue() {
            // The sender is dropped only after it has sent.
            let _ = resumed.recv();
        }
        self.waited += began.elapsed();
        self.since = Some(Instant::now());
    }

    /// Takes a free permit, or enters a queue.
    fn enqueue(&self) -> Option<Receiver<()>> {
        let mut state = self.scheduler.state();
        if state.free > 0 {
            state.free -= 1;
            return None;
        }
        let (resume, resumed) = sync_channel(1);
        let queue = if self.held < SHORT { &mut state.short } else { &mut state.long };
        queue.push_back(Waiting::Suspended(resume));
        Some(resumed)
    }

    /// Passes the permit on, if it is held, before the recording waits for something else.
    pub(super) fn release(&mut self) {
        if let Some(work) = self.end() {
            self.scheduler.start_thread(work);
        }
    }

    /// Passes the permit on, if it is held. The caller must run returned work with it.
    fn end(&mut self) -> Option<NewWork> {
        self.held += self.since.take()?.elapsed();
        self.scheduler.state().pass_on()
    }

    /// Between two steps: lets others run if the slice is used up.
    pub(super) fn yield_now(&mut self) {
        if self.since.is_some_and(|since| since.elapsed() >= SLICE) && self.scheduler.waiting() > 0 {
            self.release();
        }
        self.acquire();
    }

    /// Time for which the permit was held.
    pub(super) fn held(&self) -> Duration {
        self.held + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Time for which the recording waited for permits.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_threads_run_than_there_are_permits() {
        let (scheduler, running, most) = (Scheduler::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut permit = Permit::unacquired(&scheduler);
                    for _ in 0..10 {
                        permit.acquire();
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        permit.release();
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 3);
        let free = scheduler.state().free;
        assert_eq!((free, scheduler.waiting()), (3, 0));
    }

    /// Names of waiting recordings, in the order in which they get the one permit.
    fn order(waiting: &[(&'static str, Duration)]) -> Vec<&'static str> {
        let scheduler = Scheduler::new(1);
        let mut first = Permit::unacquired(&scheduler);
        first.acquire();
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for (k, (name, held)) in waiting.iter().enumerate() {
                let mut permit = Permit::unacquired(&scheduler);
                permit.held = *held;
                let order = &order;
                scope.spawn(move || {
                    permit.acquire();
                    order.lock().unwrap().push(*name);
                });
                while scheduler.waiting() <= k {
                    thread::yield_now();
                }
            }
            first.release();
        });
        order.into_inner().unwrap()
    }

    #[test]
    fn short_recordings_go_first_but_every_fourth_permit_is_for_a_long_one() {
        let (none, long) = (Duration::ZERO, Duration::from_secs(9));
        assert_eq!(order(&[("a", none), ("b", none), ("c", none)]), ["a", "b", "c"]);
        assert_eq!(order(&[("hour", long), ("a", none), ("b", none)]), ["a", "b", "hour"]);
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let mut waiting = vec![("hour", long), ("day", long)];
        waiting.extend(names.map(|name| (name, none)));
        assert_eq!(order(&waiting), ["a", "b", "c", "hour", "d", "e", "f", "day", "g"]);
    }

    /// Holds the permit until something is sent.
    fn occupy(scheduler: &Arc<Scheduler>) -> SyncSender<()> {
        let (finish, finished) = sync_channel(0);
        scheduler.spawn(move |_| finished.recv().unwrap());
        finish
    }

    #[test]
    fn new_recordings_follow_each_other_on_one_thread() {
        let scheduler = Scheduler::new(1);
        let first = occupy(&scheduler);
        let (sender, results) = sync_channel(9);
        for name in ["a", "b", "c"] {
            let sender = sender.clone();
            scheduler.spawn(move |permit| {
                thread::sleep(Duration::from_millis(1));
                let permit = permit.lock().unwrap();
                sender.send((name, thread::current().id(), permit.held())).unwrap();
            });
        }
        assert_eq!(scheduler.waiting(), 3);
        first.send(()).unwrap();
        let ran: Vec<_> = (0..3).map(|_| results.recv().unwrap()).collect();
        assert_eq!(ran.iter().map(|(name, ..)| *name).collect::<String>(), "abc");
        assert!(ran.iter().all(|(_, id, held)| *id == ran[0].1 && *held >= Duration::from_millis(1)));
    }

    #[test]
    fn a_recording_that_waits_or_panics_passes_its_permit_on() {
        let scheduler = Scheduler::new(1);
        let (sender, results) = sync_channel(9);
        let send = |name: &'static str| {
            let sender = sender.clone();
            move |_: &SharedPermit| sender.send(name).unwrap()
        };
        let (proceed, step) = sync_channel::<()>(0);
        let first = sender.clone();
        scheduler.spawn(move |permit| {
            step.recv().unwrap();
            permit.lock().unwrap().release();
            step.recv().unwrap();
            permit.lock().unwrap().acquire();
            first.send("the first again").unwrap();
            panic!("as a bug would");
        });
        scheduler.spawn(send("new"));
        proceed.send(()).unwrap();
        assert_eq!(results.recv().unwrap(), "new");
        proceed.send(()).unwrap();
        assert_eq!(results.recv().unwrap(), "the first again");
        scheduler.spawn(send("after the panic"));
        assert_eq!(results.recv().unwrap(), "after the panic");
    }

    #[test]
    fn a_permit_is_kept_while_nobody_waits_and_freed_when_it_is_dropped() {
        let scheduler = Scheduler::new(1);
        let mut permit = Permit::unacquired(&scheduler);
        permit.yield_now();
        let since = permit.since;
        thread::sleep(SLICE);
        permit.yield_now();
        assert_eq!(permit.since, since);
        drop(permit);
        assert_eq!(scheduler.state().free, 1);
    }
}
