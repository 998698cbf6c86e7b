//! A pool of workers whose outputs are consumed in the order of the inputs, with a bounded number
//! of pending outputs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Maximum number of outputs that wait for an earlier one: enough for short files to continue
/// beside a long one.
const MAX_WAITING: usize = 1024;
/// Total bytes of waiting outputs from which on no further input is started.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// Calls `work` for the numbers in `numbers` on `jobs` threads, and `consume` with each output on
/// this thread, in the order of the numbers. `size` returns the bytes of an output. At most
/// [`MAX_WAITING`] outputs wait, and no input is started while they have [`MAX_WAITING_BYTES`] or
/// more, except the one that all others wait for.
///
/// # Errors
/// That of `consume`; no further input is started after it.
///
/// # Panics
/// If `work` panics.
pub(super) fn in_order<T: Send, E>(
    numbers: Range<usize>,
    jobs: usize,
    work: impl Fn(usize) -> T + Sync,
    size: impl Fn(&T) -> usize + Sync,
    mut consume: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let queue = Queue::new(numbers.clone());
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, numbers.len().max(1)) {
            scope.spawn(|| {
                let _guard = StopOnPanic(&queue);
                while let Some(number) = queue.start() {
                    let output = work(number);
                    let bytes = size(&output);
                    queue.done(number, output, bytes);
                }
            });
        }
        // An output is missing only if a worker panicked; the scope then panics too.
        let consumed = numbers.into_iter().map_while(|number| queue.wait_for(number)).try_for_each(&mut consume);
        queue.stop();
        consumed
    })
}

struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The next number to start.
    next: usize,
    end: usize,
    /// The number that is consumed next.
    due: usize,
    waiting: BTreeMap<usize, (T, usize)>,
    waiting_bytes: usize,
    stopped: bool,
}

impl<T> State<T> {
    /// Whether the next number must wait. The one that is due never does, so there is always
    /// progress.
    fn is_full(&self) -> bool {
        let ahead = self.next - self.due;
        ahead > 0 && (ahead >= MAX_WAITING || self.waiting_bytes >= MAX_WAITING_BYTES)
    }
}

impl<T> Queue<T> {
    fn new(numbers: Range<usize>) -> Self {
        let state = State {
            next: numbers.start,
            end: numbers.end,
            due: numbers.start,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            stopped: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// No code between lock and unlock can panic, so the state of a poisoned lock is consistent.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next number to work on, or `None` if there are no more.
    fn start(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.stopped || state.next >= state.end {
                return None;
            }
            if !state.is_full() {
                state.next += 1;
                return Some(state.next - 1);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, number: usize, output: T, bytes: usize) {
        let mut state = self.lock();
        state.waiting_bytes += bytes;
        state.waiting.insert(number, (output, bytes));
        self.changed.notify_all();
    }

    /// Waits for the output of a number. `None` if a worker panicked.
    fn wait_for(&self, number: usize) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some((output, bytes)) = state.waiting.remove(&number) {
                state.waiting_bytes -= bytes;
                state.due = number + 1;
                self.changed.notify_all();
                return Some(output);
            }
            if state.stopped {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}

/// Wakes the consumer if a worker panics; otherwise it would wait forever.
struct StopOnPanic<'a, T>(&'a Queue<T>);

impl<T> Drop for StopOnPanic<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Work of uneven length, so that later numbers are done before earlier ones.
    fn uneven(number: usize) -> usize {
        thread::sleep(std::time::Duration::from_micros((number * 7919 % 13) as u64 * 50));
        number * number
    }

    #[test]
    fn outputs_come_in_order_for_any_number_of_jobs() {
        for (jobs, numbers) in [(1, 0..50), (2, 7..300), (9, 0..300), (100, 0..3), (4, 5..5), (0, 0..2)] {
            let mut taken = Vec::new();
            let take = |output| {
                taken.push(output);
                Ok::<_, ()>(())
            };
            in_order(numbers.clone(), jobs, uneven, |_| 1, take).unwrap();
            assert_eq!(taken, numbers.map(|n| n * n).collect::<Vec<_>>(), "{jobs} jobs");
        }
    }

    /// The first number takes long: no more than the bound is started meanwhile, in number or in
    /// bytes.
    #[test]
    fn waiting_outputs_are_bounded() {
        for (bytes, most) in [(1, MAX_WAITING), (MAX_WAITING_BYTES / 4, 4 + 3)] {
            let (started, ahead) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let make = |number| {
                started.fetch_add(1, Ordering::SeqCst);
                while number == 0 && started.load(Ordering::SeqCst) < most.min(4) {
                    thread::yield_now();
                }
                if number == 0 {
                    thread::sleep(std::time::Duration::from_millis(30));
                    ahead.store(started.load(Ordering::SeqCst), Ordering::SeqCst);
                }
            };
            in_order(0..5000, 3, make, |()| bytes, |()| Ok::<_, ()>(())).unwrap();
            assert!(ahead.load(Ordering::SeqCst) <= most, "{} of {most} with {bytes} bytes each", ahead.into_inner());
            assert_eq!(started.into_inner(), 5000);
        }
    }

    #[test]
    fn an_error_of_the_consumer_ends_it_early() {
        let started = AtomicUsize::new(0);
        let make = |_| started.fetch_add(1, Ordering::SeqCst);
        let mut taken = 0;
        let take = |_| {
            taken += 1;
            if taken <= 10 { Ok(()) } else { Err("full") }
        };
        assert_eq!(in_order(0..1_000_000, 2, make, |_| 1, take), Err("full"));
        assert!(started.into_inner() <= 10 + 2 + MAX_WAITING);
    }

    #[test]
    fn a_panic_of_a_worker_is_passed_on() {
        let run = std::panic::catch_unwind(|| {
            in_order(0..100, 2, |number| assert!(number != 5, "meant to panic"), |()| 1, |()| Ok::<_, ()>(()))
        });
        assert!(run.is_err(), "the panic must reach the caller");
    }
}
