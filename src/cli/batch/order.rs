//! Many workers, one order: what they make comes out in the order of the inputs, and little of it waits.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Results that may wait for an earlier one: enough for short files to go on beside a long one.
const MAX_WAITING: usize = 1024;
/// Bytes of results that may wait before no further input is begun.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// Makes something of each of the numbers `from..to` on `jobs` threads, and takes what was made in the order of the numbers, on this thread.
/// `size` says how many bytes one result holds. At most [`MAX_WAITING`] results wait, and no input is begun while they hold
/// [`MAX_WAITING_BYTES`] or more, but the one that all wait for.
///
/// # Errors
/// What `take` returns: then no further input is begun.
pub(super) fn in_order<T: Send>(
    numbers: std::ops::Range<usize>,
    jobs: usize,
    make: impl Fn(usize) -> T + Sync,
    size: impl Fn(&T) -> usize + Sync,
    mut take: impl FnMut(usize, T) -> io::Result<()>,
) -> io::Result<()> {
    let queue = Queue::new(numbers.clone());
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, numbers.len().max(1)) {
            scope.spawn(|| {
                let _end = EndOfWorker(&queue);
                while let Some(number) = queue.begin() {
                    let made = make(number);
                    let bytes = size(&made);
                    queue.done(number, made, bytes);
                }
            });
        }
        let taken = numbers.into_iter().try_for_each(|number| match queue.wait_for(number) {
            Some(made) => take(number, made),
            None => Err(io::Error::other("a worker ended early: this is a fault of the program")),
        });
        queue.stop();
        taken
    })
}

struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The next number to begin.
    next: usize,
    end: usize,
    /// The number that is taken next: all before it are gone.
    due: usize,
    waiting: BTreeMap<usize, (T, usize)>,
    waiting_bytes: usize,
    stopped: bool,
}

impl<T> State<T> {
    /// Whether the next number must wait. The one that is due never does, so somebody always gets on.
    fn is_full(&self) -> bool {
        let ahead = self.next - self.due;
        ahead > 0 && (ahead >= MAX_WAITING || self.waiting_bytes >= MAX_WAITING_BYTES)
    }
}

impl<T> Queue<T> {
    fn new(numbers: std::ops::Range<usize>) -> Self {
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

    /// No code between lock and unlock can panic, so a poisoned state is as whole as any.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number to work on, or nothing when all are given out.
    fn begin(&self) -> Option<usize> {
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

    fn done(&self, number: usize, made: T, bytes: usize) {
        let mut state = self.lock();
        state.waiting_bytes += bytes;
        state.waiting.insert(number, (made, bytes));
        self.changed.notify_all();
    }

    /// What was made of a number, when it is there; nothing if a worker broke down.
    fn wait_for(&self, number: usize) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some((made, bytes)) = state.waiting.remove(&number) {
                state.waiting_bytes -= bytes;
                state.due = number + 1;
                self.changed.notify_all();
                return Some(made);
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

/// Wakes the one who waits if a worker panics; otherwise he would wait for ever.
struct EndOfWorker<'a, T>(&'a Queue<T>);

impl<T> Drop for EndOfWorker<'_, T> {
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
    fn the_order_is_that_of_the_numbers_for_any_jobs() {
        for (jobs, numbers) in [(1, 0..50), (2, 7..300), (9, 0..300), (100, 0..3), (4, 5..5), (0, 0..2)] {
            let mut taken = Vec::new();
            let take = |number, made| {
                taken.push((number, made));
                Ok(())
            };
            in_order(numbers.clone(), jobs, uneven, |_| 1, take).unwrap();
            assert_eq!(taken, numbers.map(|n| (n, n * n)).collect::<Vec<_>>(), "{jobs} jobs");
        }
    }

    /// The first number is long in the making: no more than the bound is begun meanwhile, in number or in bytes.
    #[test]
    fn what_waits_is_bounded() {
        for (bytes, most) in [(1, MAX_WAITING), (MAX_WAITING_BYTES / 4, 4 + 3)] {
            let (begun, ahead) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let make = |number| {
                begun.fetch_add(1, Ordering::SeqCst);
                while number == 0 && begun.load(Ordering::SeqCst) < most.min(4) {
                    thread::yield_now();
                }
                if number == 0 {
                    thread::sleep(std::time::Duration::from_millis(30));
                    ahead.store(begun.load(Ordering::SeqCst), Ordering::SeqCst);
                }
            };
            in_order(0..5000, 3, make, |()| bytes, |_, ()| Ok(())).unwrap();
            assert!(ahead.load(Ordering::SeqCst) <= most, "{} of {most} with {bytes} bytes each", ahead.into_inner());
            assert_eq!(begun.into_inner(), 5000);
        }
    }

    #[test]
    fn a_full_disk_ends_it_early() {
        let begun = AtomicUsize::new(0);
        let make = |_| begun.fetch_add(1, Ordering::SeqCst);
        let take = |number, _| if number < 10 { Ok(()) } else { Err(io::Error::from(io::ErrorKind::StorageFull)) };
        let error = in_order(0..1_000_000, 2, make, |_| 1, take).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(begun.into_inner() <= 10 + 2 + MAX_WAITING);
    }

    #[test]
    fn nobody_waits_for_a_worker_that_broke_down() {
        let run = std::panic::catch_unwind(|| {
            in_order(0..100, 2, |number| assert!(number != 5, "meant to panic"), |()| 1, |_, ()| Ok(()))
        });
        assert!(run.is_err(), "the scope passes the panic on");
    }
}
