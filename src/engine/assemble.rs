//! Reports, from what was heard of a recording and what its signals came to.

use std::time::{Duration, Instant};

use super::answer::Combined;
use super::input::InputFacts;
use super::lane::LaneEnd;
use super::pipeline::Engine;
use super::report::{ChannelReport, ChannelsReport, Report, SCHEMA, Timings};
use super::stream::Heard;
use super::summary::Summary;
use super::verdict::{Verdict, rounded};

/// What is said of one signal.
struct Said {
    verdict: Verdict,
    speech_s: Option<f64>,
    input: Option<InputFacts>,
    summary: Option<Summary>,
    warnings: Vec<String>,
}

impl Engine {
    /// The report of a recording that is one signal.
    pub(super) fn report(&self, file: String, heard: &Heard, end: &LaneEnd, began: Instant) -> Report {
        let said = self.said(heard, 0, end);
        let manifest = self.system.manifest();
        Report {
            schema: SCHEMA,
            file,
            duration_s: rounded(heard.duration_s, 6),
            sample_rate_hz: heard.sample_rate_hz,
            channels: heard.channels,
            answers: said.verdict.answers,
            withheld: said.verdict.withheld,
            speech_s: said.speech_s,
            input: said.input,
            no_answer: said.verdict.no_answer,
            windows: end.combined.answered,
            timeline: None,
            summary: said.summary,
            model: manifest.name.clone(),
            model_sha256: manifest.sha256.chars().take(16).collect(),
            precision: self.system.precision().name(),
            timings_ms: timings(heard, std::slice::from_ref(end), began),
            warnings: heard.warnings.iter().cloned().chain(said.warnings).collect(),
        }
    }

    /// The report of a recording each channel of which is a signal.
    pub(super) fn channels_report(
        &self,
        file: String,
        heard: &Heard,
        ends: &[LaneEnd],
        began: Instant,
    ) -> ChannelsReport {
        let mut warnings = heard.warnings.clone();
        let mut per_channel = Vec::with_capacity(ends.len());
        for (index, end) in ends.iter().enumerate() {
            let said = self.said(heard, index, end);
            warnings.extend(said.warnings.into_iter().map(|warning| format!("channel {}: {warning}", index + 1)));
            per_channel.push(ChannelReport {
                channel: index as u16 + 1,
                answers: said.verdict.answers,
                withheld: said.verdict.withheld,
                speech_s: said.speech_s,
                input: said.input,
                no_answer: said.verdict.no_answer,
                windows: end.combined.answered,
                timeline: None,
                summary: said.summary,
            });
        }
        let manifest = self.system.manifest();
        ChannelsReport {
            schema: SCHEMA,
            file,
            duration_s: rounded(heard.duration_s, 6),
            sample_rate_hz: heard.sample_rate_hz,
            channels: heard.channels,
            per_channel,
            model: manifest.name.clone(),
            model_sha256: manifest.sha256.chars().take(16).collect(),
            precision: self.system.precision().name(),
            timings_ms: timings(heard, ends, began),
            warnings,
        }
    }

    fn said(&self, heard: &Heard, signal: usize, end: &LaneEnd) -> Said {
        let manifest = self.system.manifest();
        let combined = &end.combined;
        let verdict = combined.means().map_or_else(
            || Verdict::none(self.options.heads, end.unanswered),
            |means| Verdict::new(&means, &manifest.heads, &self.options),
        );
        let input = heard.inputs.get(signal).map(|&facts| InputFacts { snr_db: combined.snr_db(), ..facts });
        let network_hz = manifest.frontend.sample_rate_hz();
        let of_input = input.iter().flat_map(|facts| facts.warnings(heard.sample_rate_hz, network_hz));
        let told = self.options.activity && input.is_some();
        let speech_s = told.then(|| rounded(combined.speech as f64 / f64::from(network_hz), 3));
        Said {
            verdict,
            speech_s,
            summary: end.tally.as_ref().map(|tally| tally.summary(speech_s, &manifest.heads, self.options.heads)),
            warnings: of_input.chain(combined.warnings()).collect(),
            input: input.map(InputFacts::to_digits),
        }
    }
}

fn timings(heard: &Heard, ends: &[LaneEnd], began: Instant) -> Timings {
    let sum = |time: fn(&Combined) -> Duration| milliseconds(ends.iter().map(|end| time(&end.combined)).sum());
    Timings {
        decode: milliseconds(heard.decode_time),
        resample: milliseconds(heard.resample_time),
        activity: sum(|combined| combined.activity_time),
        features: sum(|combined| combined.features_time),
        network: sum(|combined| combined.network_time),
        total: milliseconds(began.elapsed()),
    }
}

fn milliseconds(time: Duration) -> f64 {
    rounded(1e3 * time.as_secs_f64(), 3)
}
