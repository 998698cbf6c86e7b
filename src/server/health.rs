//! Whether the server is well: `/healthz` lets it answer a sound whose answer is known, `/readyz` says whether it takes requests in.

use std::f64::consts::TAU;
use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::{Mutex, oneshot};

use super::problem::Problem;
use super::service::{Service, name_of};
use crate::engine::{Engine, Options, RawFormat};
use crate::error::{Error, Result};

/// A finding is given again for so long: anybody may ask for it, and it costs a window.
const FRESH: Duration = Duration::from_secs(5);
/// So long is waited for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A system and the answer that it gave at the start.
#[derive(Debug)]
pub(super) struct Golden {
    engine: Engine,
    answer: String,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Golden {
    /// Predicts the sound for the first time.
    ///
    /// # Errors
    /// Whatever keeps the system from answering.
    pub(super) fn new(engine: &Engine) -> Result<Self> {
        let raw: RawFormat = "s16le:16000:1".parse()?;
        // A sound made by a formula is no speech, and is to be answered all the same.
        let options = Options { raw: Some(raw), activity: false, ..Options::default() };
        let engine = engine.with_options(options)?;
        let answer = answer(&engine)?;
        Ok(Self { engine, answer, last: Mutex::new(None) })
    }

    /// Whether the answer is still the same. One at a time.
    async fn check(service: &Arc<Service>) -> bool {
        let mut last = service.golden.last.lock().await;
        if let Some((_, well)) = last.filter(|(when, _)| when.elapsed() < FRESH) {
            return well;
        }
        let (tell, told) = oneshot::channel();
        let of = Arc::clone(service);
        service.turns.begin(move |_| {
            // Nobody waits any more.
            let _ = tell.send(answer(&of.golden.engine).is_ok_and(|answer| answer == of.golden.answer));
        });
        let well = matches!(tokio::time::timeout(PATIENCE, told).await, Ok(Ok(true)));
        *last = Some((Instant::now(), well));
        well
    }
}

/// What the system says of the sound, without times.
fn answer(engine: &Engine) -> Result<String> {
    let report = engine.infer_reader(Cursor::new(buzz()), "golden")?;
    if let Some(reason) = report.no_answer {
        return Err(Error::Config(format!("the system has no answer to a plain sound: {}", reason.explain())));
    }
    Ok(json!(report.answers).to_string())
}

/// A second of harmonics of 120 Hz that swell four times, 16-bit, 16 kHz.
fn buzz() -> Vec<u8> {
    let sample = |n: u32| {
        let t = f64::from(n) / 16_000.0;
        let harmonics: f64 = (1..=20).map(|k| (TAU * 120.0 * f64::from(k) * t).sin() / f64::from(k)).sum();
        (6_000.0 * harmonics * (TAU * 2.0 * t).sin().abs()) as i16
    };
    (0..16_000).flat_map(|n| sample(n).to_le_bytes()).collect()
}

/// `GET /healthz`
pub(super) async fn healthz(State(service): State<Arc<Service>>) -> Response {
    if Golden::check(&service).await {
        Json(json!({"status": "ok", "model": name_of(&service.golden.engine)})).into_response()
    } else {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "failed", "the golden inference failed: restart the server")
            .into_response()
    }
}

/// `GET /readyz`
pub(super) async fn readyz(State(service): State<Arc<Service>>) -> Response {
    if service.is_stopping() {
        return Problem::stopping().into_response();
    }
    Json(json!({"status": "ok"})).into_response()
}
