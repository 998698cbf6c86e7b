//! From one window's samples to one window's answer, and from many to the recording's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::dsp::activity::snr_db;
use crate::dsp::{Activity, ActivityOptions, FeatureExtractor};
use crate::error::Result;
use crate::models::{Output, System, Workspace};

use super::input::is_clipped;
use super::level::level_dbfs;
use super::options::Options;
use super::report::NoAnswer;
use super::windows::Window;

/// Plans and memory for answering windows by one system. No result depends on what it held.
#[derive(Debug)]
pub(super) struct Scratch {
    extractor: FeatureExtractor,
    workspace: Workspace,
    features: Vec<f32>,
    activity: Activity,
}

impl Scratch {
    /// How many threads share one window, where the network can.
    pub(super) fn set_threads(&mut self, threads: usize) {
        self.workspace.set_threads(threads);
    }

    pub(super) fn new(system: &System) -> Result<Self> {
        let frontend = &system.manifest().frontend;
        let activity = Activity::new(frontend.sample_rate_hz(), ActivityOptions::default())?;
        Ok(Self { extractor: frontend.extractor()?, workspace: system.workspace(), features: Vec::new(), activity })
    }
}

/// A thread that answers windows: its own scratch over the shared system.
pub(super) struct Worker<'a> {
    pub(super) system: &'a System,
    pub(super) options: &'a Options,
    /// Samples from one segment of the timeline to the next; nothing without one.
    pub(super) hop: Option<usize>,
    pub(super) scratch: &'a mut Scratch,
}

/// One window, answered or not.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// Its first sample.
    pub(super) start: usize,
    /// Its samples.
    pub(super) length: usize,
    /// Those of them that it alone brings.
    pub(super) fresh: usize,
    /// Those of the fresh ones that are speech.
    pub(super) speech: usize,
    /// What it shows of each segment of the timeline that it touches; empty if it does not belong to it.
    pub(super) parts: Vec<Part>,
    /// Mean square of the speech frames, and of the noise under them; 0 and 0 where there is no speech.
    powers: (f64, f64),
    pub(super) activity_time: Duration,
    pub(super) features_time: Duration,
    pub(super) network_time: Duration,
}

/// What a window shows of a segment, or of the part that lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Samples of the segment that lie in the window.
    pub(super) length: usize,
    /// Those of them that are speech.
    pub(super) speech: usize,
    /// Whether their level is that of silence.
    pub(super) silent: bool,
}

/// What came of a window.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Answered(Output),
    Left(NoAnswer),
}

impl Answer {
    /// Of a window of `length` samples from `start` on, `fresh` of them new.
    pub(super) fn new(outcome: Outcome, start: usize, length: usize, fresh: usize) -> Self {
        Self {
            outcome,
            start,
            length,
            fresh,
            speech: 0,
            parts: Vec::new(),
            powers: (0.0, 0.0),
            activity_time: Duration::ZERO,
            features_time: Duration::ZERO,
            network_time: Duration::ZERO,
        }
    }

    /// Of features that came without audio.
    pub(super) fn without_audio(output: Output, network_time: Duration) -> Self {
        Self { speech: 1, network_time, ..Self::new(Outcome::Answered(output), 0, 1, 1) }
    }
}

impl Worker<'_> {
    pub(super) fn answer(&mut self, window: &Window) -> Result<Answer> {
        let silence = Outcome::Left(NoAnswer::Silence);
        let mut answer = Answer::new(silence, window.start, window.samples.len(), window.fresh);
        if self.is_silent(&window.samples) {
            answer.parts = self.parts(window, false);
            return Ok(answer);
        }
        let began = Instant::now();
        let reason = self.refuse(window, &mut answer);
        answer.parts = self.parts(window, self.options.activity);
        answer.activity_time = began.elapsed();
        answer.outcome = match reason {
            Some(reason) => Outcome::Left(reason),
            None => self.run_network(window, &mut answer)?,
        };
        Ok(answer)
    }

    fn is_silent(&self, samples: &[f32]) -> bool {
        level_dbfs(samples) < self.options.silence_dbfs
    }

    /// What the window shows of the timeline's segments, if it belongs to it. `judged`: the detector has just run on it.
    fn parts(&self, window: &Window, judged: bool) -> Vec<Part> {
        let Some(hop) = self.hop.filter(|_| window.timeline) else {
            return Vec::new();
        };
        let end = window.start + window.samples.len();
        let activity = &self.scratch.activity;
        let part = |index: usize| {
            let from = (index * hop).max(window.start) - window.start;
            let to = ((index + 1) * hop).min(end) - window.start;
            let speech = if judged { activity.speech_within(from..to) } else { 0 };
            Part { length: to - from, speech, silent: self.is_silent(&window.samples[from..to]) }
        };
        (window.start / hop..end.div_ceil(hop)).map(part).collect()
    }

    /// Why a window that is not silent should not be answered, if there is a reason; notes its speech.
    fn refuse(&mut self, window: &Window, answer: &mut Answer) -> Option<NoAnswer> {
        if !self.options.activity {
            return None;
        }
        let activity = &mut self.scratch.activity;
        let evidence = activity.run(&window.samples);
        if evidence.is_speech {
            answer.speech = activity.speech_within(window.samples.len() - window.fresh..window.samples.len());
            answer.powers = (evidence.speech_power, evidence.noise_power);
        }
        let clipped = window.samples.iter().filter(|x| is_clipped(**x)).count();
        if clipped as f64 >= self.options.max_clipped_share * window.samples.len() as f64 {
            return Some(NoAnswer::Clipped);
        }
        match evidence.snr_db() {
            None => Some(NoAnswer::NoSpeech),
            Some(snr) if snr < self.options.min_snr_db => Some(NoAnswer::TooNoisy),
            Some(_) => None,
        }
    }

    /// A network that drops frames without speech may have too few left.
    fn run_network(&mut self, window: &Window, answer: &mut Answer) -> Result<Outcome> {
        let began = Instant::now();
        let Scratch { extractor, workspace, features, .. } = &mut *self.scratch;
        let frames = extractor.run(&window.samples, features);
        let between = Instant::now();
        answer.features_time = between - began;
        if self.system.frames_seen(features, frames, workspace)? < self.system.min_frames() {
            return Ok(Outcome::Left(NoAnswer::NoSpeech));
        }
        let output = self.system.forward_heads(features, frames, self.options.heads, workspace)?;
        answer.network_time = between.elapsed();
        Ok(Outcome::Answered(output))
    }
}

/// The recording's answer as windows come: the mean of their probabilities and of their ages, each weighted by its new samples.
///
/// The mean of probabilities is the share of the recording that a label is expected to hold, so a long recording of two moods shows both.
/// Their product would bet everything on one label after a few windows, as if each window were new evidence about one and the same thing.
/// Windows that were left unanswered count nothing.
#[derive(Debug, Default)]
pub(super) struct Combined {
    sums: Sums,
    pub(super) answered: usize,
    /// Windows left unanswered, by reason.
    left: BTreeMap<NoAnswer, usize>,
    pub(super) speech: usize,
    powers: (f64, f64),
    pub(super) activity_time: Duration,
    pub(super) features_time: Duration,
    pub(super) network_time: Duration,
}

impl Combined {
    /// Takes the next window; of one without fresh samples its times alone.
    pub(super) fn add(&mut self, answer: &Answer) {
        self.activity_time += answer.activity_time;
        self.features_time += answer.features_time;
        self.network_time += answer.network_time;
        if answer.fresh == 0 {
            return;
        }
        let weight = answer.fresh as f64;
        self.speech += answer.speech;
        self.powers.0 += weight * answer.powers.0;
        self.powers.1 += weight * answer.powers.1;
        let output = match &answer.outcome {
            Outcome::Answered(output) => output,
            Outcome::Left(reason) => {
                *self.left.entry(*reason).or_default() += 1;
                return;
            }
        };
        self.answered += 1;
        self.sums.add(output, weight);
    }

    /// The commonest reason for leaving a window unanswered; of equally common ones the first in their order.
    pub(super) fn commonest_reason(&self) -> Option<NoAnswer> {
        self.left.iter().rev().max_by_key(|(_, count)| **count).map(|(reason, _)| *reason)
    }

    /// Estimated signal-to-noise ratio of the windows that hold speech, dB.
    pub(super) fn snr_db(&self) -> Option<f64> {
        snr_db(self.powers.0, self.powers.1)
    }

    /// What was left out of a recording that is answered.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let all = self.answered + self.left.values().sum::<usize>();
        let left = self.left.iter().filter(|_| self.answered > 0);
        left.map(move |(reason, count)| format!("{count} of {all} windows {} and were left out", reason.of_windows()))
    }

    /// Nothing if no window was answered.
    pub(super) fn means(&self) -> Option<Means> {
        self.sums.means()
    }
}

/// A weighted mean of answers, as they come.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Nothing for a head that is off.
    emotion: Option<Vec<f64>>,
    gender: Option<Vec<f64>>,
    age: Option<f64>,
    weight: f64,
}

impl Sums {
    /// `weight` is above 0.
    pub(super) fn add(&mut self, output: &Output, weight: f64) {
        self.weight += weight;
        if let Some(emotion) = &output.emotion {
            accumulate(&mut self.emotion, &emotion.probabilities, weight);
        }
        if let Some(gender) = &output.gender {
            accumulate(&mut self.gender, &gender.probabilities, weight);
        }
        if let Some(years) = output.age_years {
            *self.age.get_or_insert_default() += weight * f64::from(years);
        }
    }

    /// Nothing of no answers.
    pub(super) fn means(&self) -> Option<Means> {
        let mean = |sums: &Vec<f64>| sums.iter().map(|sum| sum / self.weight).collect();
        (self.weight > 0.0).then(|| Means {
            emotion: self.emotion.as_ref().map(mean),
            gender: self.gender.as_ref().map(mean),
            years: self.age.map(|sum| sum / self.weight),
        })
    }
}

/// Probabilities and age; nothing for a head that is off.
pub(super) struct Means {
    pub(super) emotion: Option<Vec<f64>>,
    pub(super) gender: Option<Vec<f64>>,
    pub(super) years: Option<f64>,
}

fn accumulate(sums: &mut Option<Vec<f64>>, values: &[f32], weight: f64) {
    let sums = sums.get_or_insert_default();
    sums.resize(values.len(), 0.0);
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum += weight * f64::from(value);
    }
}
