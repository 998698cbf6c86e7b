//! Report builder: voices and report from the results of a run.

use std::time::{Duration, Instant};

use crate::models::Model;
use crate::models::manifest::ClassifierManifest;

use super::aggregate::Aggregate;
use super::decision::{Decision, DecisionRules};
use super::options::Options;
use super::report::{ModelInfo, RecordingInfo, Report, Timings, Voice};
use super::round::rounded;
use super::signal_quality::SignalQuality;
use super::speakers::{SignalResult, SpeakerResult};
use super::stream::StreamInfo;
use super::voice_pipeline::VoiceResult;

/// What the reports of one engine have in common.
pub(super) struct ReportBuilder<'a> {
    pub(super) model: &'a Model,
    pub(super) classifier: &'a ClassifierManifest,
    pub(super) options: &'a Options,
}

impl ReportBuilder<'_> {
    /// The report of a recording. `channel`: number of a voice's channel from its index, `None` for
    /// the mean of all.
    pub(super) fn report(
        &self,
        file: String,
        info: &StreamInfo,
        results: &[VoiceResult],
        channel: fn(usize) -> Option<u16>,
        began: Instant,
    ) -> Report {
        let mut warnings = info.warnings.clone();
        let mut voices = Vec::with_capacity(results.len());
        for (index, result) in results.iter().enumerate() {
            let channel = channel(index);
            let of_voice = self.warnings(info, index, result);
            warnings.extend(of_voice.into_iter().map(|warning| match channel {
                None => warning,
                Some(channel) => format!("channel {channel}: {warning}"),
            }));
            voices.push(self.voice(info, index, channel, result));
        }
        let manifest = self.model.manifest();
        Report {
            recording: RecordingInfo {
                file,
                start_s: None,
                end_s: None,
                duration_s: rounded(info.duration_s, 6),
                sample_rate_hz: info.sample_rate_hz,
                channels: info.channels,
                damaged_packets: info.damaged_packets,
            },
            voices,
            model: ModelInfo {
                name: manifest.name.clone(),
                sha256: manifest.sha256.chars().take(16).collect(),
                precision: self.model.precision(),
            },
            timings_ms: timings(info, results, began),
            warnings,
        }
    }

    /// The report of a recording with speaker diarization; `results` are those of its signals.
    /// `segmentation_time`: spent on finding them.
    pub(super) fn report_speakers(
        &self,
        file: String,
        info: &StreamInfo,
        results: Vec<SignalResult>,
        channel: fn(usize) -> Option<u16>,
        segmentation_time: Duration,
        began: Instant,
    ) -> Report {
        let (mut voices, mut wholes) = (Vec::new(), Vec::new());
        let mut number = 0;
        for (index, SignalResult { speakers, whole }) in results.into_iter().enumerate() {
            if speakers.is_empty() {
                let voice = self.voice(info, index, channel(index), &whole);
                voices.push(Voice { speech_s: Some(0.0), turns: Some(Vec::new()), ..voice });
            }
            for SpeakerResult { voice, speech, turns } in speakers {
                number += 1;
                let speech_s = rounded(speech as f64 / f64::from(self.network_hz()), 3);
                let of_speaker = self.voice_of(info, index, channel(index), &voice, Some(speech_s));
                voices.push(Voice { speaker: Some(number), turns: Some(turns), ..of_speaker });
            }
            wholes.push(whole);
        }
        let mut report = self.report(file, info, &wholes, channel, began);
        report.voices = voices;
        report.timings_ms.segmentation = milliseconds(segmentation_time);
        report
    }

    fn voice(&self, info: &StreamInfo, index: usize, channel: Option<u16>, result: &VoiceResult) -> Voice {
        let detected = self.options.activity && info.quality.get(index).is_some();
        let speech = result.aggregate.speech as f64 / f64::from(self.network_hz());
        self.voice_of(info, index, channel, result, detected.then(|| rounded(speech, 3)))
    }

    fn voice_of(
        &self,
        info: &StreamInfo,
        index: usize,
        channel: Option<u16>,
        result: &VoiceResult,
        speech_s: Option<f64>,
    ) -> Voice {
        let heads = &self.classifier.heads;
        let aggregate = &result.aggregate;
        let decision = self.decide(result);
        let quality = quality(info, index, aggregate);
        Voice {
            channel,
            speaker: None,
            predictions: decision.predictions,
            withheld: decision.withheld,
            speech_s,
            quality: quality.map(SignalQuality::rounded),
            no_answer: decision.no_answer,
            familiarity: decision.familiarity,
            baseline: self.options.baseline.as_ref().map(|baseline| baseline.decision),
            vectors: self.options.vectors.then(|| aggregate.vectors.clone()),
            chunks: aggregate.predicted,
            timeline: None,
            turns: None,
            summary: result.tally.as_ref().map(|tally| tally.summary(speech_s, heads, self.options.heads)),
        }
    }

    fn decide(&self, result: &VoiceResult) -> Decision {
        match result.aggregate.mean() {
            None => Decision::none(self.options.heads, result.no_answer),
            Some(mean) => {
                let rules = DecisionRules::new(&self.classifier.heads, self.model.manifest());
                Decision::new(&mean, rules, self.options)
            }
        }
    }

    fn warnings(&self, info: &StreamInfo, index: usize, result: &VoiceResult) -> Vec<String> {
        let quality = quality(info, index, &result.aggregate);
        let of_input = quality.iter().flat_map(|quality| quality.warnings(info.sample_rate_hz, self.network_hz()));
        let domain = self.model.manifest().domain.as_ref();
        let unlike = self.decide(result).familiarity.zip(domain).and_then(|(found, domain)| found.warning(domain));
        let refused = self.options.baseline.as_ref().and_then(|baseline| baseline.decision.reason);
        let refused = refused.map(|reason| format!("the speaker's baseline was not applied: {}", reason.explain()));
        of_input.chain(result.aggregate.warnings()).chain(unlike).chain(refused).collect()
    }

    fn network_hz(&self) -> u32 {
        self.model.manifest().frontend.sample_rate_hz()
    }
}

fn quality(info: &StreamInfo, index: usize, aggregate: &Aggregate) -> Option<SignalQuality> {
    info.quality.get(index).map(|&quality| SignalQuality { snr_db: aggregate.snr_db(), ..quality })
}

fn timings(info: &StreamInfo, results: &[VoiceResult], began: Instant) -> Timings {
    let sum = |time: fn(&Aggregate) -> Duration| milliseconds(results.iter().map(|r| time(&r.aggregate)).sum());
    Timings {
        decode: milliseconds(info.decode_time),
        resample: milliseconds(info.resample_time),
        activity: sum(|aggregate| aggregate.activity_time),
        segmentation: 0.0,
        features: sum(|aggregate| aggregate.features_time),
        network: sum(|aggregate| aggregate.network_time),
        total: milliseconds(began.elapsed()),
    }
}

fn milliseconds(time: Duration) -> f64 {
    rounded(1e3 * time.as_secs_f64(), 3)
}
