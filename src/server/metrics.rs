//! Counts and times, as Prometheus text (exposition format 0.0.4). A label has few values, none of them a client's.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::{NoAnswer, Timings};

/// Upper ends of the histograms' buckets, seconds.
const BUCKETS_S: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

/// Everything that is counted since the start.
#[derive(Debug)]
pub(super) struct Metrics {
    began: Instant,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<(&'static str, u16), u64>,
    refusals: BTreeMap<&'static str, u64>,
    no_answer: BTreeMap<String, u64>,
    gone: u64,
    audio_s: f64,
    received_bytes: u64,
    request_s: BTreeMap<&'static str, Histogram>,
    stage_s: BTreeMap<&'static str, Histogram>,
}

/// How many observations were at most a bucket's end.
#[derive(Debug, Default, Clone)]
struct Histogram {
    buckets: [u64; BUCKETS_S.len()],
    count: u64,
    sum: f64,
}

/// What is so at this moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gauges {
    /// Requests that are computed or wait.
    pub(super) in_flight: usize,
    /// Those that wait for their turn.
    pub(super) queue_depth: usize,
    pub(super) connections: usize,
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        self.count += 1;
        self.sum += seconds;
        for (bucket, end) in self.buckets.iter_mut().zip(BUCKETS_S) {
            *bucket += u64::from(seconds <= end);
        }
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was answered: by which route, with which status, for which reason if it was refused.
    pub(super) fn answered(&self, route: &'static str, status: u16, reason: Option<&'static str>, time: Duration) {
        let mut counts = self.counts();
        *counts.requests.entry((route, status)).or_default() += 1;
        counts.request_s.entry(route).or_default().observe(time.as_secs_f64());
        if let Some(reason) = reason {
            *counts.refusals.entry(reason).or_default() += 1;
        }
    }

    /// A connection was refused before there was a request.
    pub(super) fn refused(&self, reason: &'static str) {
        *self.counts().refusals.entry(reason).or_default() += 1;
    }

    /// A client went away before its answer.
    pub(super) fn gone(&self) {
        self.counts().gone += 1;
    }

    /// Bytes of a body came in.
    pub(super) fn received(&self, bytes: u64) {
        self.counts().received_bytes += bytes;
    }

    /// A recording, or one of its channels, has no answer.
    pub(super) fn not_answered(&self, reason: NoAnswer) {
        let name = serde_json::to_value(reason).ok().and_then(|value| value["reason"].as_str().map(str::to_owned));
        *self.counts().no_answer.entry(name.unwrap_or_default()).or_default() += 1;
    }

    /// A recording of so many seconds was answered after it waited for its turns so long.
    pub(super) fn heard(&self, seconds: f64, times: &Timings, waited: Duration) {
        let mut counts = self.counts();
        counts.audio_s += seconds;
        let stages = [
            ("queue", 1e3 * waited.as_secs_f64()),
            ("decode", times.decode),
            ("resample", times.resample),
            ("activity", times.activity),
            ("features", times.features),
            ("network", times.network),
        ];
        for (stage, milliseconds) in stages {
            counts.stage_s.entry(stage).or_default().observe(milliseconds / 1e3);
        }
    }

    /// A recording was embedded, likewise.
    pub(super) fn embedded(&self, seconds: f64, waited: Duration) {
        let mut counts = self.counts();
        counts.audio_s += seconds;
        counts.stage_s.entry("queue").or_default().observe(waited.as_secs_f64());
    }

    /// The text of it all.
    pub(super) fn text(&self, now: Gauges) -> String {
        let counts = self.counts();
        let mut text = Text::default();
        text.family("persona_requests_total", "counter", "Requests answered, by route and status.");
        for ((route, status), count) in &counts.requests {
            text.line(&format!("persona_requests_total{{route=\"{route}\",status=\"{status}\"}}"), *count);
        }
        text.by("persona_refusals_total", "reason", "Requests refused, by reason.", &counts.refusals);
        text.by("persona_no_answer_total", "reason", "Recordings without an answer, by reason.", &counts.no_answer);
        text.one("persona_clients_gone_total", "counter", "Clients that went away before their answer.", counts.gone);
        text.one("persona_audio_seconds_total", "counter", "Seconds of sound answered.", counts.audio_s);
        text.one("persona_received_bytes_total", "counter", "Bytes of bodies.", counts.received_bytes);
        text.histograms(
            "persona_request_seconds",
            "route",
            "From a request's header to its answer.",
            &counts.request_s,
        );
        text.histograms(
            "persona_stage_seconds",
            "stage",
            "Time of a recording in each stage; queue is what it waited for turns.",
            &counts.stage_s,
        );
        text.one("persona_in_flight", "gauge", "Requests that are computed or wait.", now.in_flight);
        text.one("persona_queue_depth", "gauge", "Recordings that wait for their turn.", now.queue_depth);
        text.one("persona_connections", "gauge", "Open connections.", now.connections);
        text.one("persona_uptime_seconds", "gauge", "Since the start.", self.began.elapsed().as_secs_f64());
        if let Some(bytes) = resident_bytes() {
            text.one("process_resident_memory_bytes", "gauge", "Resident memory.", bytes);
        }
        text.family("persona_build_info", "gauge", "The version.");
        text.line(concat!("persona_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
        text.0
    }
}

/// Resident memory, where the system tells (Linux: the second number of `statm`, pages of 4 KiB on what this is built for).
fn resident_bytes() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse().ok()?;
    Some(4096 * pages)
}

/// Lines of the format. Writing into a string cannot fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, series: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{series} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.line(name, value);
    }

    fn by<K: std::fmt::Display>(&mut self, name: &str, label: &str, help: &str, counts: &BTreeMap<K, u64>) {
        self.family(name, "counter", help);
        for (value, count) in counts {
            self.line(&format!("{name}{{{label}=\"{value}\"}}"), count);
        }
    }

    fn histograms(&mut self, name: &str, label: &str, help: &str, of: &BTreeMap<&'static str, Histogram>) {
        self.family(name, "histogram", help);
        for (value, histogram) in of {
            for (end, count) in BUCKETS_S.iter().zip(histogram.buckets) {
                self.line(&format!("{name}_bucket{{{label}=\"{value}\",le=\"{end}\"}}"), count);
            }
            self.line(&format!("{name}_bucket{{{label}=\"{value}\",le=\"+Inf\"}}"), histogram.count);
            self.line(&format!("{name}_sum{{{label}=\"{value}\"}}"), histogram.sum);
            self.line(&format!("{name}_count{{{label}=\"{value}\"}}"), histogram.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Gauges = Gauges { in_flight: 3, queue_depth: 2, connections: 4 };

    #[test]
    fn each_family_has_a_type_and_buckets_count_up() {
        let metrics = Metrics::new();
        metrics.answered("/v1/predict", 200, None, Duration::from_millis(30));
        metrics.answered("/v1/predict", 200, None, Duration::from_secs(400));
        metrics.answered("/v1/predict", 429, Some("queue_full"), Duration::from_millis(1));
        metrics.received(1000);
        metrics.gone();
        let text = metrics.text(NOW);
        for line in [
            "persona_requests_total{route=\"/v1/predict\",status=\"200\"} 2",
            "persona_refusals_total{reason=\"queue_full\"} 1",
            "persona_request_seconds_bucket{route=\"/v1/predict\",le=\"0.025\"} 1",
            "persona_request_seconds_bucket{route=\"/v1/predict\",le=\"0.05\"} 2",
            "persona_request_seconds_bucket{route=\"/v1/predict\",le=\"300\"} 2",
            "persona_request_seconds_bucket{route=\"/v1/predict\",le=\"+Inf\"} 3",
            "persona_request_seconds_count{route=\"/v1/predict\"} 3",
            "persona_clients_gone_total 1",
            "persona_received_bytes_total 1000",
            "persona_in_flight 3",
            "persona_queue_depth 2",
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
