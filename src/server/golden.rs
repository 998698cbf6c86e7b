//! Golden inference: the self-test behind `/healthz`. A synthetic sound must give the same
//! predictions as at start-up.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

use super::scheduler::Scheduler;
use crate::engine::{Engine, Options, Recording};
use crate::error::{Error, Result};

/// A result is reused for this long: anyone may call `/healthz`, and each test computes a chunk.
const REUSE_TIME: Duration = Duration::from_secs(5);
/// Timeout of one test.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A model and its predictions for the synthetic sound at start-up.
#[derive(Debug)]
pub(super) struct Golden {
    engine: Engine,
    expected: String,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Golden {
    /// Computes the expected predictions.
    ///
    /// # Errors
    /// Errors of the engine; [`Error::Internal`] if the model makes no prediction.
    pub(super) fn new(engine: &Engine) -> Result<Arc<Self>> {
        // The synthetic sound is not speech: the speech detector would reject it.
        let options = Options { activity: false, ..Options::default() };
        let engine = engine.with_options(options)?;
        let expected = predict(&engine)?;
        Ok(Arc::new(Self { engine, expected, last: Mutex::new(None) }))
    }

    /// Name of the tested model.
    pub(super) fn model(&self) -> &str {
        &self.engine.model().manifest().name
    }

    /// Runs the test, one at a time, and returns whether the predictions are unchanged.
    pub(super) async fn check(self: &Arc<Self>, scheduler: &Arc<Scheduler>) -> bool {
        let mut last = self.last.lock().await;
        if let Some((_, passed)) = last.filter(|(when, _)| when.elapsed() < REUSE_TIME) {
            return passed;
        }
        let (sender, result) = oneshot::channel();
        let golden = Arc::clone(self);
        scheduler.spawn(move |_| {
            // Fails only if the request timed out.
            let _ = sender.send(predict(&golden.engine).is_ok_and(|predictions| predictions == golden.expected));
        });
        let passed = matches!(timeout(TIMEOUT, result).await, Ok(Ok(true)));
        *last = Some((Instant::now(), passed));
        passed
    }
}

/// Predictions for the synthetic sound, as JSON.
fn predict(engine: &Engine) -> Result<String> {
    let report = engine.infer(Recording::samples(synthetic_sound(), 16_000, 1).named("golden"))?;
    let voice = &report.voices[0];
    if let Some(reason) = voice.no_answer {
        return Err(Error::Internal(format!("self-test: no prediction for a synthetic sound: {}", reason.explain())));
    }
    Ok(json!(voice.predictions).to_string())
}

/// One second of 20 harmonics of 120 Hz, amplitude-modulated at 2 Hz; 16 kHz, in 16-bit steps.
fn synthetic_sound() -> Vec<f32> {
    let sample = |n: u32| {
        let t = f64::from(n) / 16_000.0;
        let harmonics: f64 = (1..=20).map(|k| (TAU * 120.0 * f64::from(k) * t).sin() / f64::from(k)).sum();
        (6_000.0 * harmonics * (TAU * 2.0 * t).sin().abs()).trunc() as f32 / 32_768.0
    };
    (0..16_000).map(sample).collect()
}
