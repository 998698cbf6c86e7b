//! Who computes when. Recordings take turns: each thread works only while it has one of the turns that there are, and between two steps (a
//! block decoded, a window answered) it passes the turn on once it has had it for [`SLICE`] and others wait.
//!
//! ```text
//! new ──▶ [ short lane ] ──▶ turn ──▶ done
//!              ▲               │
//!   under 250 ms of service    ├── a slice is used up, and somebody waits
//!              └───────────────┤
//!         [ long lane ] ◀──────┘ 250 ms and more
//! ```
//!
//! Within a lane who waited longest is first. The short lane goes first, but each fourth turn is the long lane's. So a clip of 3 s waits for
//! other clips and for one slice of a recording of an hour, never for the recording; and that one has at least a quarter of the time.
//!
//! A new recording has no thread yet. Where it follows one that is done it runs on that one's thread: waking another one costs more than the
//! wake-up, since the system may put it behind a thread that computes while this one's processor has nothing to do. Only where a turn is free, or
//! is given up in the middle of a recording, is a thread started.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a turn is before it is passed on: about a window of the default system.
const SLICE: Duration = Duration::from_millis(25);
/// Whoever had less than this is in the short lane: a clip of half a minute by the default system.
const SHORT: Duration = Duration::from_millis(250);
/// So many turns in a row are the short lane's while the long one waits.
const SHORT_RUN: usize = 3;

/// The turns that there are.
#[derive(Debug)]
pub(super) struct Turns {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    short: VecDeque<Waiting>,
    long: VecDeque<Waiting>,
    /// Turns of the short lane since the long one had one.
    short_run: usize,
}

/// Who waits for a turn.
#[derive(Debug)]
enum Waiting {
    New(New),
    /// A thread in the middle of a recording.
    Begun(SyncSender<()>),
}

/// A recording that nothing was done for yet.
struct New {
    work: Box<dyn FnOnce(&SharedTurn) + Send>,
    since: Instant,
}

impl std::fmt::Debug for New {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("New").field("since", &self.since).finish_non_exhaustive()
    }
}

impl State {
    /// The next who waits, if anybody does.
    fn next(&mut self) -> Option<Waiting> {
        let longs = !self.long.is_empty() && (self.short.is_empty() || self.short_run >= SHORT_RUN);
        self.short_run = if longs || self.long.is_empty() { 0 } else { self.short_run + 1 };
        if longs { self.long.pop_front() } else { self.short.pop_front() }
    }

    /// Hands a turn to the next, or keeps it free. A new recording is the caller's to run, with the turn.
    fn pass_on(&mut self) -> Option<New> {
        while let Some(next) = self.next() {
            match next {
                Waiting::New(new) => return Some(new),
                Waiting::Begun(grant) if grant.send(()).is_ok() => return None,
                Waiting::Begun(_) => {}
            }
        }
        self.free += 1;
        None
    }
}

impl Turns {
    pub(super) fn new(workers: usize) -> Arc<Self> {
        let state = State { free: workers, short: VecDeque::new(), long: VecDeque::new(), short_run: 0 };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Recordings that wait for a turn.
    pub(super) fn waiting(&self) -> usize {
        let state = self.state();
        state.short.len() + state.long.len()
    }

    /// Runs `work` as soon as there is a turn for it. It is dropped without being run where the system has no thread to give.
    pub(super) fn begin(self: &Arc<Self>, work: impl FnOnce(&SharedTurn) + Send + 'static) {
        let new = New { work: Box::new(work), since: Instant::now() };
        let mut state = self.state();
        if state.free == 0 {
            state.short.push_back(Waiting::New(new));
            return;
        }
        state.free -= 1;
        drop(state);
        self.start(new);
    }

    /// Runs a recording that has a turn on a thread of its own; where there is none the turn goes on.
    fn start(self: &Arc<Self>, new: New) {
        let mut next = Some(new);
        while let Some(new) = next {
            let turns = Arc::clone(self);
            let started = thread::Builder::new().name("persona-job".into()).spawn(move || turns.run(new));
            next = started.err().and_then(|_| self.state().pass_on());
        }
    }

    /// One recording that has a turn, and with the same turn those that come after it.
    fn run(self: &Arc<Self>, new: New) {
        let mut next = Some(new);
        while let Some(new) = next {
            let turn = Arc::new(Mutex::new(Turn::of(self, &new)));
            (new.work)(&turn);
            next = turn.lock().unwrap_or_else(PoisonError::into_inner).end();
        }
    }

    /// No thread panics while it holds this lock; and what it guards is whole at every moment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that the reader and the recording's control share; both are used by one thread.
pub(super) type SharedTurn = Arc<Mutex<Turn>>;

/// One recording's part in the turns. Dropped, it passes its turn on.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    /// Since when it has a turn, if it has one.
    since: Option<Instant>,
    /// Time that it had, without the present turn.
    had: Duration,
    /// Time that it waited for turns.
    waited: Duration,
}

impl Turn {
    /// The first turn of a recording.
    fn of(turns: &Arc<Turns>, new: &New) -> Self {
        let waited = new.since.elapsed();
        Self { turns: Arc::clone(turns), since: Some(Instant::now()), had: Duration::ZERO, waited }
    }

    /// A recording in its middle that has no turn.
    #[cfg(test)]
    pub(super) fn none_yet(turns: &Arc<Turns>) -> Self {
        Self { turns: Arc::clone(turns), since: None, had: Duration::ZERO, waited: Duration::ZERO }
    }

    /// Waits for a turn, unless it has one.
    pub(super) fn take(&mut self) {
        if self.since.is_some() {
            return;
        }
        let began = Instant::now();
        if let Some(granted) = self.line_up() {
            // The sender is in a lane, or was sent through: it cannot be gone.
            let _ = granted.recv();
        }
        self.waited += began.elapsed();
        self.since = Some(Instant::now());
    }

    /// A free turn, or a place in a lane.
    fn line_up(&self) -> Option<Receiver<()>> {
        let mut state = self.turns.state();
        if state.free > 0 {
            state.free -= 1;
            return None;
        }
        let (grant, granted) = sync_channel(1);
        let lane = if self.had < SHORT { &mut state.short } else { &mut state.long };
        lane.push_back(Waiting::Begun(grant));
        Some(granted)
    }

    /// Passes its turn on, if it has one: before it waits for something else.
    pub(super) fn leave(&mut self) {
        if let Some(new) = self.end() {
            self.turns.start(new);
        }
    }

    /// Passes its turn on, if it has one; to a new recording by the caller's hand.
    fn end(&mut self) -> Option<New> {
        self.had += self.since.take()?.elapsed();
        self.turns.state().pass_on()
    }

    /// Between two steps: lets others go first once its slice is used up.
    pub(super) fn yield_now(&mut self) {
        if self.since.is_some_and(|since| since.elapsed() >= SLICE) && self.turns.waiting() > 0 {
            self.leave();
        }
        self.take();
    }

    /// Time that it had turns for.
    pub(super) fn had(&self) -> Duration {
        self.had + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Time that it waited for turns.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn never_more_at_work_than_there_are_turns_and_all_come_through() {
        let (turns, at_work, most) = (Turns::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut turn = Turn::none_yet(&turns);
                    for _ in 0..10 {
                        turn.take();
                        most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        at_work.fetch_sub(1, Ordering::SeqCst);
                        turn.leave();
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 3);
        let free = turns.state().free;
        assert_eq!((free, turns.waiting()), (3, 0));
    }

    /// The order in which those who wait come to their turn, by their names.
    fn order(waiting: &[(&'static str, Duration)]) -> Vec<&'static str> {
        let turns = Turns::new(1);
        let mut first = Turn::none_yet(&turns);
        first.take();
        let came = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for (k, (name, had)) in waiting.iter().enumerate() {
                let mut turn = Turn::none_yet(&turns);
                turn.had = *had;
                let came = &came;
                scope.spawn(move || {
                    turn.take();
                    came.lock().unwrap().push(*name);
                });
                while turns.waiting() <= k {
                    thread::yield_now();
                }
            }
            first.leave();
        });
        came.into_inner().unwrap()
    }

    #[test]
    fn short_ones_first_but_each_fourth_turn_is_a_long_ones() {
        let (none, much) = (Duration::ZERO, Duration::from_secs(9));
        assert_eq!(order(&[("a", none), ("b", none), ("c", none)]), ["a", "b", "c"]);
        assert_eq!(order(&[("hour", much), ("a", none), ("b", none)]), ["a", "b", "hour"]);
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let mut waiting = vec![("hour", much), ("day", much)];
        waiting.extend(names.map(|name| (name, none)));
        assert_eq!(order(&waiting), ["a", "b", "c", "hour", "d", "e", "f", "day", "g"]);
    }

    /// Takes the turn, and keeps it until something is sent.
    fn held(turns: &Arc<Turns>) -> SyncSender<()> {
        let (finish, finished) = sync_channel(0);
        turns.begin(move |_| finished.recv().unwrap());
        finish
    }

    #[test]
    fn new_recordings_follow_each_other_on_one_thread() {
        let turns = Turns::new(1);
        let first = held(&turns);
        let (tell, told) = sync_channel(9);
        for name in ["a", "b", "c"] {
            let tell = tell.clone();
            turns.begin(move |turn| {
                thread::sleep(Duration::from_millis(1));
                let turn = turn.lock().unwrap();
                tell.send((name, thread::current().id(), turn.had())).unwrap();
            });
        }
        assert_eq!(turns.waiting(), 3);
        first.send(()).unwrap();
        let ran: Vec<_> = (0..3).map(|_| told.recv().unwrap()).collect();
        assert_eq!(ran.iter().map(|(name, ..)| *name).collect::<String>(), "abc");
        assert!(ran.iter().all(|(_, id, had)| *id == ran[0].1 && *had >= Duration::from_millis(1)));
    }

    #[test]
    fn one_that_waits_or_breaks_down_gives_its_turn_to_a_new_one() {
        let turns = Turns::new(1);
        let (tell, told) = sync_channel(9);
        let named = |name: &'static str| {
            let tell = tell.clone();
            move |_: &SharedTurn| tell.send(name).unwrap()
        };
        let (go, gone) = sync_channel::<()>(0);
        let waits = tell.clone();
        turns.begin(move |turn| {
            gone.recv().unwrap();
            turn.lock().unwrap().leave();
            gone.recv().unwrap();
            turn.lock().unwrap().take();
            waits.send("it again").unwrap();
            panic!("as a fault would");
        });
        turns.begin(named("new"));
        go.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), "new");
        go.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), "it again");
        turns.begin(named("after the fault"));
        assert_eq!(told.recv().unwrap(), "after the fault");
    }

    #[test]
    fn a_turn_is_kept_while_nobody_waits_and_lost_when_it_is_dropped() {
        let turns = Turns::new(1);
        let mut turn = Turn::none_yet(&turns);
        turn.yield_now();
        let since = turn.since;
        thread::sleep(SLICE);
        turn.yield_now();
        assert_eq!(turn.since, since);
        drop(turn);
        assert_eq!(turns.state().free, 1);
    }
}
