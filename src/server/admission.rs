//! Admission control: a bounded number of running and queued requests, and `Retry-After` for those
//! beyond it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::Limits;
use super::problem::Problem;

/// Weight of the newest request in the moving average of the service time.
const NEWEST_WEIGHT: f64 = 0.1;
/// Upper bound of `Retry-After`, seconds.
const MAX_RETRY_AFTER_S: f64 = 60.0;

/// A semaphore with one permit for each recording that may run or wait.
#[derive(Debug)]
pub(super) struct Admission {
    permits: Arc<Semaphore>,
    capacity: usize,
    workers: usize,
    /// Moving average of the seconds of computation per request.
    service_s: Mutex<f64>,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        let capacity = limits.workers + limits.queue;
        Self {
            permits: Arc::new(Semaphore::new(capacity)),
            capacity,
            workers: limits.workers,
            service_s: Mutex::new(0.0),
        }
    }

    /// Admits a request until the returned permit is dropped.
    ///
    /// # Errors
    /// 429 `queue_full` if no permit is left.
    pub(super) fn admit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| {
            let detail = format!("the queue is full: {} requests are running or waiting; try again", self.capacity);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", detail).retry_after(self.retry_after_s())
        })
    }

    /// Number of admitted requests.
    pub(super) fn in_flight(&self) -> usize {
        self.capacity - self.permits.available_permits()
    }

    /// Records the time that a request was computed for.
    pub(super) fn record_service_time(&self, time: Duration) {
        let mut mean = self.service_s.lock().unwrap_or_else(PoisonError::into_inner);
        *mean += NEWEST_WEIGHT * (time.as_secs_f64() - *mean);
    }

    /// Seconds after which half of the waiting requests are expected to be finished.
    fn retry_after_s(&self) -> u64 {
        let mean = *self.service_s.lock().unwrap_or_else(PoisonError::into_inner);
        (mean * self.capacity as f64 / (2.0 * self.workers as f64)).ceil().clamp(1.0, MAX_RETRY_AFTER_S) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_beyond_the_capacity_are_refused_until_one_ends() {
        let admission = Admission::new(&Limits { workers: 1, queue: 1, ..Limits::default() });
        let (first, _second) = (admission.admit().unwrap(), admission.admit().unwrap());
        let refused = admission.admit().unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.reason, refused.retry_after_s), (429, "queue_full", Some(1)));
        assert!(refused.detail.contains("2 requests"));
        drop(first);
        assert_eq!(admission.in_flight(), 1);
        assert!(admission.admit().is_ok());
    }

    #[test]
    fn retry_after_follows_the_service_time() {
        let admission = Admission::new(&Limits { workers: 2, queue: 62, ..Limits::default() });
        (0..100).for_each(|_| admission.record_service_time(Duration::from_millis(500)));
        assert_eq!(admission.retry_after_s(), 8);
        (0..100).for_each(|_| admission.record_service_time(Duration::from_secs(500)));
        assert_eq!(admission.retry_after_s(), 60);
    }
}
