//! Counters, gauges and histograms in the Prometheus text format 0.0.4. Labels have few values,
//! none of them set by clients.
//!
//! The crate is `prometheus`, not `prometheus-client`: the latter writes OpenMetrics, which would
//! change the content type, the names of the counters' families and the buckets' labels.

use std::fs;
use std::time::{Duration, Instant};

use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::engine::{NoAnswer, Timings};
use crate::error::{Error, Result};

/// Upper bounds of the histograms' buckets, seconds.
const BUCKETS_S: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

/// All metrics since the start of the server.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    began: Instant,
    requests: IntCounterVec,
    refusals: IntCounterVec,
    no_answer: IntCounterVec,
    disconnects: IntCounter,
    audio_s: Counter,
    received_bytes: IntCounter,
    request_s: HistogramVec,
    stage_s: HistogramVec,
    in_flight: IntGauge,
    queue_depth: IntGauge,
    connections: IntGauge,
    uptime_s: Gauge,
    /// `None` where the operating system does not report it.
    resident_bytes: Option<IntGauge>,
}

/// Values that are read when metrics are requested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gauges {
    /// Admitted requests.
    pub(super) in_flight: usize,
    /// Recordings that wait for a permit.
    pub(super) queue_depth: usize,
    /// Open connections.
    pub(super) connections: usize,
}

/// Registers a metric.
fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<C>) -> Result<C> {
    let registered = metric.and_then(|metric| registry.register(Box::new(metric.clone())).map(|()| metric));
    registered.map_err(|error| Error::Internal(format!("a metric cannot be registered: {error}")))
}

impl Metrics {
    /// # Errors
    /// [`Error::Internal`] for an invalid name: a bug.
    pub(super) fn new() -> Result<Self> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let counter = |name: &str, help: &str| register(&registry, IntCounter::new(name, help));
        let gauge = |name: &str, help: &str| register(&registry, IntGauge::new(name, help));
        let histograms = |name: &str, help: &str, label: &str| {
            let options = HistogramOpts::new(name, help).buckets(BUCKETS_S.to_vec());
            register(&registry, HistogramVec::new(options, &[label]))
        };
        let resident = || gauge("process_resident_memory_bytes", "Resident memory.");
        let version = Opts::new("persona_build_info", "The version.").const_label("version", env!("CARGO_PKG_VERSION"));
        register(&registry, IntGauge::with_opts(version))?.set(1);
        Ok(Self {
            began: Instant::now(),
            requests: counters(
                "persona_requests_total",
                "Requests answered, by route and status.",
                &["route", "status"],
            )?,
            refusals: counters("persona_refusals_total", "Requests refused, by reason.", &["reason"])?,
            no_answer: counters("persona_no_answer_total", "Recordings without an answer, by reason.", &["reason"])?,
            disconnects: counter("persona_clients_gone_total", "Clients that went away before their answer.")?,
            audio_s: register(&registry, Counter::new("persona_audio_seconds_total", "Seconds of sound answered."))?,
            received_bytes: counter("persona_received_bytes_total", "Bytes of bodies.")?,
            request_s: histograms("persona_request_seconds", "From a request's header to its answer.", "route")?,
            stage_s: histograms(
                "persona_stage_seconds",
                "Time of a recording in each stage; queue is what it waited for turns.",
                "stage",
            )?,
            in_flight: gauge("persona_in_flight", "Requests that are computed or wait.")?,
            queue_depth: gauge("persona_queue_depth", "Recordings that wait for their turn.")?,
            connections: gauge("persona_connections", "Open connections.")?,
            uptime_s: register(&registry, Gauge::new("persona_uptime_seconds", "Since the start."))?,
            resident_bytes: resident_bytes().map(|_| resident()).transpose()?,
            registry,
        })
    }

    /// Records a response: its route, its status, and the reason code of a refusal.
    pub(super) fn record_request(&self, route: &str, status: u16, reason: Option<&str>, time: Duration) {
        self.requests.with_label_values(&[route, &status.to_string()]).inc();
        self.request_s.with_label_values(&[route]).observe(time.as_secs_f64());
        if let Some(reason) = reason {
            self.record_refusal(reason);
        }
    }

    /// Records a refusal that has no response of the router.
    pub(super) fn record_refusal(&self, reason: &str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    /// Records a client that disconnected before its response.
    pub(super) fn record_disconnect(&self) {
        self.disconnects.inc();
    }

    /// Records bytes of a request body.
    pub(super) fn record_received(&self, bytes: u64) {
        self.received_bytes.inc_by(bytes);
    }

    /// Records a recording or channel without a prediction.
    pub(super) fn record_no_answer(&self, reason: NoAnswer) {
        self.no_answer.with_label_values(&[reason.code()]).inc();
    }

    /// Records a prediction: the recording's duration in seconds, and its times.
    pub(super) fn record_prediction(&self, duration_s: f64, times: &Timings, waited: Duration) {
        self.record_embedding(duration_s, waited);
        let stages = [
            ("decode", times.decode),
            ("resample", times.resample),
            ("activity", times.activity),
            ("features", times.features),
            ("network", times.network),
        ];
        for (stage, milliseconds) in stages {
            self.stage_s.with_label_values(&[stage]).observe(milliseconds / 1e3);
        }
    }

    /// Records an embedding: the recording's duration in seconds, and the time it was queued.
    pub(super) fn record_embedding(&self, duration_s: f64, waited: Duration) {
        self.audio_s.inc_by(duration_s);
        self.stage_s.with_label_values(&["queue"]).observe(waited.as_secs_f64());
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// [`Error::Internal`] if they cannot be encoded: a bug.
    pub(super) fn text(&self, now: Gauges) -> Result<String> {
        self.in_flight.set(now.in_flight as i64);
        self.queue_depth.set(now.queue_depth as i64);
        self.connections.set(now.connections as i64);
        self.uptime_s.set(self.began.elapsed().as_secs_f64());
        if let (Some(gauge), Some(bytes)) = (&self.resident_bytes, resident_bytes()) {
            gauge.set(bytes as i64);
        }
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.map_err(|error| Error::Internal(format!("the metrics cannot be encoded: {error}")))
    }
}

/// Resident memory, on Linux: the second number of `statm`, in pages of 4 KiB on the supported
/// CPUs.
fn resident_bytes() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse().ok()?;
    Some(4096 * pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Gauges = Gauges { in_flight: 3, queue_depth: 2, connections: 4 };

    #[test]
    fn every_family_has_a_type_and_buckets_are_cumulative() {
        let metrics = Metrics::new().unwrap();
        metrics.record_request("/v1/predict", 200, None, Duration::from_millis(30));
        metrics.record_request("/v1/predict", 200, None, Duration::from_secs(400));
        metrics.record_request("/v1/predict", 429, Some("queue_full"), Duration::from_millis(1));
        metrics.record_received(1000);
        metrics.record_disconnect();
        let text = metrics.text(NOW).unwrap();
        for line in [
            "# HELP persona_requests_total Requests answered, by route and status.",
            "# TYPE persona_requests_total counter",
            "persona_requests_total{route=\"/v1/predict\",status=\"200\"} 2",
            "persona_refusals_total{reason=\"queue_full\"} 1",
            "persona_request_seconds_bucket{route=\"/v1/predict\",le=\"0.025\"} 1",
            "persona_request_seconds_bucket{route=\"/v1/predict\",le=\"0.05\"} 2",
            "persona_request_seconds_bucket{route=\"/v1/predict\",le=\"300\"} 2",
            "persona_request_seconds_bucket{route=\"/v1/predict\",le=\"+Inf\"} 3",
            "persona_request_seconds_count{route=\"/v1/predict\"} 3",
            "persona_clients_gone_total 1",
            "persona_received_bytes_total 1000",
            "persona_audio_seconds_total 0",
            "persona_in_flight 3",
            "persona_queue_depth 2",
            concat!("persona_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|l| l == line), "`{line}` is not in:\n{text}");
        }
        let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(families.iter().any(|family| name.starts_with(family.split(' ').next().unwrap())), "{line}");
            assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
        }
    }
}
