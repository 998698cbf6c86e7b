//! The bounded queue: who is taken in, and when to come again for those who are not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;

use super::limits::Limits;
use super::problem::Problem;

/// Weight of the newest request in the mean time of service.
const NEWEST: f64 = 0.1;
/// The longest time after which to come again, seconds.
const LONGEST_RETRY: f64 = 60.0;

/// The places that there are: one for each recording that is computed or waits.
#[derive(Debug)]
pub(super) struct Admission {
    taken: AtomicUsize,
    all: usize,
    workers: usize,
    /// Mean seconds that a request computes.
    service_s: Mutex<f64>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Admission>);

impl Admission {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let all = limits.workers + limits.queue;
        Arc::new(Self { taken: AtomicUsize::new(0), all, workers: limits.workers, service_s: Mutex::new(0.0) })
    }

    /// A place for a request.
    ///
    /// # Errors
    /// 429 where all are taken.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Place, Problem> {
        let one_more = |taken| (taken < self.all).then_some(taken + 1);
        match self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
            Ok(_) => Ok(Place(Arc::clone(self))),
            Err(taken) => {
                let detail =
                    format!("{taken} requests are being answered or wait, and no more are taken in; try again");
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", detail).after(self.retry_after()))
            }
        }
    }

    /// Requests that are computed or wait.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Notes how long a request computed.
    pub(super) fn served(&self, time: Duration) {
        let mut mean = self.service_s.lock().unwrap_or_else(PoisonError::into_inner);
        *mean += NEWEST * (time.as_secs_f64() - *mean);
    }

    /// Seconds in which half of those who wait should be through.
    fn retry_after(&self) -> u64 {
        let mean = *self.service_s.lock().unwrap_or_else(PoisonError::into_inner);
        (mean * self.all as f64 / (2.0 * self.workers as f64)).ceil().clamp(1.0, LONGEST_RETRY) as u64
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_after_the_last_is_refused_until_one_is_free() {
        let admission = Admission::new(&Limits { workers: 1, queue: 1, ..Limits::default() });
        let (first, _second) = (admission.enter().unwrap(), admission.enter().unwrap());
        let refused = admission.enter().unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.reason, refused.retry_after), (429, "queue_full", Some(1)));
        assert!(refused.detail.starts_with("2 requests"));
        drop(first);
        assert_eq!(admission.taken(), 1);
        admission.enter().unwrap();
    }

    #[test]
    fn slow_requests_are_told_to_come_later() {
        let admission = Admission::new(&Limits { workers: 2, queue: 62, ..Limits::default() });
        (0..100).for_each(|_| admission.served(Duration::from_millis(500)));
        assert_eq!(admission.retry_after(), 8);
        (0..100).for_each(|_| admission.served(Duration::from_secs(500)));
        assert_eq!(admission.retry_after(), 60);
    }
}
