//! Engine: bytes → samples → chunks → predictions → report, as a stream. It holds a few chunks,
//! whatever the duration.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::models::LoadOptions;
use crate::models::manifest::ClassifierManifest;
use crate::models::segmentation::Segmentation;
use crate::models::{Model, SpeakerBaseline, SpeakerVectors, Workspace};

use super::audio_source::AudioSource;
use super::catalogue::Catalogue;
use super::chunk_output::ChunkOutput;
use super::chunk_worker::ChunkContext;
use super::chunker::{Chunk, Chunker};
use super::control::{Control, NoControl, Progress};
use super::decision::DecisionRules;
use super::embed::{EmbedOptions, Embedder, Embedding};
use super::embedded::DEFAULT_MODEL;
use super::observer::{Collector, Observer};
use super::options::Options;
use super::pool::{self, WorkerPool};
use super::recording::Recording;
use super::report::Report;
use super::report_builder::ReportBuilder;
use super::smoother::Smoother;
use super::speakers::{InputLimits, Segmenter, SignalResult, SpeakerPipeline, Speakers};
use super::stream::{ChannelMode, SignalStream, StreamInfo};
use super::voice_pipeline::{VoicePipeline, VoiceResult};

/// A model with options, ready to process recordings. An engine is immutable and serves any number
/// of threads.
///
/// ```no_run
/// use persona_engine::{Engine, LoadOptions, Model, Options, Recording};
///
/// # fn main() -> persona_engine::Result<()> {
/// let model = Model::open("weights/xvector-cnn.safetensors", LoadOptions::default())?;
/// let engine = Engine::new(model, Options::default())?;
/// let report = engine.infer(Recording::file("call.wav"))?;
/// let voice = &report.voices[0];
/// match (&voice.predictions.emotion, voice.no_answer) {
///     (Some(emotion), _) => println!("{} {:.3}", emotion.label, emotion.probability()),
///     (None, reason) => println!("no prediction: {reason:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Engine {
    model: Arc<Model>,
    options: Options,
    pool: Arc<WorkerPool>,
    /// Loaded when the options first ask for speakers.
    segmentation: Arc<OnceLock<Segmentation>>,
}

impl Engine {
    /// Checks the options, and that the model's front-end can be built. A model without heads only
    /// embeds.
    ///
    /// # Errors
    /// [`Error::Usage`] with the invalid option, [`Error::Manifest`] with the invalid parameter of
    /// the front-end.
    pub fn new(model: Model, options: Options) -> Result<Self> {
        check(&model, &options)?;
        let pool = if model.manifest().classifier.is_some() {
            WorkerPool::new(&model)?
        } else {
            model.manifest().frontend.extractor()?;
            WorkerPool::default()
        };
        let engine = Self { model: Arc::new(model), options, pool: Arc::new(pool), segmentation: Arc::default() };
        engine.check_speakers()?;
        Ok(engine)
    }

    /// The same engine with this segmentation of speakers instead of the embedded or installed one
    /// ([`Catalogue::segmentation`]).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it does not fit the model.
    pub fn with_segmentation(mut self, segmentation: Segmentation) -> Result<Self> {
        self.segmentation = Arc::new(OnceLock::from(segmentation));
        self.check_speakers()?;
        Ok(self)
    }

    /// The default model: the one embedded in the library (feature `embedded-weights`), else the
    /// installed one of that name ([`Catalogue::installed`]).
    ///
    /// # Errors
    /// [`Error::Usage`] with the invalid option, or where there is no such model.
    pub fn with_default_model(options: Options) -> Result<Self> {
        let embedded = cfg!(embedded_weights);
        let catalogue = if embedded { Catalogue::of(&[]) } else { Catalogue::installed() };
        Self::new(catalogue.load(DEFAULT_MODEL, LoadOptions::default())?, options)
    }

    /// The same model with other options. Cheap: model and work spaces are shared.
    ///
    /// # Errors
    /// [`Error::Usage`] with the invalid option.
    pub fn with_options(&self, options: Options) -> Result<Self> {
        check(&self.model, &options)?;
        let (model, pool) = (Arc::clone(&self.model), Arc::clone(&self.pool));
        let engine = Self { model, options, pool, segmentation: Arc::clone(&self.segmentation) };
        engine.check_speakers()?;
        Ok(engine)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Predicts a recording: the mean of its channels, or each channel ([`Options::per_channel`]);
    /// with timelines, if the options request them.
    ///
    /// # Errors
    /// What is wrong with the recording, with its name: [`Error::Read`], [`Error::Malformed`],
    /// [`Error::Unsupported`], [`Error::Limit`]; [`Error::Usage`] for invalid
    /// [`Recording::samples`]; [`Error::Manifest`] for a model without heads.
    pub fn infer(&self, recording: Recording) -> Result<Report> {
        self.infer_with(recording, &mut NoControl)
    }

    /// As [`Engine::infer`], with a control that can pause and cancel.
    ///
    /// # Errors
    /// Those of [`Engine::infer`], and the control's own.
    pub fn infer_with(&self, recording: Recording, control: &mut dyn Control) -> Result<Report> {
        let mut collector = Collector::default();
        let report = self.infer_observed(recording, control, &mut collector)?;
        Ok(self.with_timelines(report, collector))
    }

    /// As [`Engine::infer_with`]; the observer receives samples and segments as they come, and the
    /// report contains no timelines.
    ///
    /// # Errors
    /// Those of [`Engine::infer_with`], and the observer's own.
    pub fn infer_observed(
        &self,
        recording: Recording,
        control: &mut dyn Control,
        observer: &mut dyn Observer,
    ) -> Result<Report> {
        let began = Instant::now();
        self.model.require_classifier()?;
        let (source, name) = recording.open(self.options.raw.as_ref(), &self.options.limits)?;
        self.infer_source(source, name, began, control, observer)
    }

    /// The report of an opened source.
    pub(super) fn infer_source(
        &self,
        source: AudioSource,
        name: String,
        began: Instant,
        control: &mut dyn Control,
        observer: &mut dyn Observer,
    ) -> Result<Report> {
        let classifier = self.model.require_classifier()?;
        if let Some(speakers) = self.options.speakers {
            let run = self.run_speakers(source, classifier, speakers, control, observer);
            let (info, results, time) = run.map_err(|error| error.in_file(&name))?;
            let builder = ReportBuilder { model: &self.model, classifier, options: &self.options };
            return Ok(builder.report_speakers(name, &info, results, self.channel_of(), time, began));
        }
        let (info, results) = self.run(source, classifier, control, observer).map_err(|error| error.in_file(&name))?;
        Ok(self.report(classifier, name, &info, &results, began))
    }

    /// The baseline of a speaker from the vectors of other recordings of the same voice
    /// ([`Options::vectors`]), for [`Options::baseline`]. It states whether it is applied: fewer than two chunks, or recordings
    /// that are too much alike, give none.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model without a baseline, and for vectors of another model.
    pub fn speaker_baseline(&self, vectors: &SpeakerVectors) -> Result<SpeakerBaseline> {
        self.model.speaker_baseline(vectors)
    }

    /// A report with the timelines that were collected beside it, if the options request them.
    pub(super) fn with_timelines(&self, mut report: Report, collector: Collector) -> Report {
        if self.options.timeline.is_some() {
            for (voice, timeline) in report.voices.iter_mut().zip(collector.timelines) {
                voice.timeline = Some(timeline);
            }
        }
        report
    }

    /// Predicts from the features of one chunk, `[frames, bands]` as the model's front-end outputs
    /// them, with the same rounding and rejection as for audio. `name` is the name in the report.
    ///
    /// Fewer frames than the network needs are [`NoAnswer::TooShort`](crate::NoAnswer::TooShort).
    /// Silence cannot be detected: features are relative to the clip's maximum.
    ///
    /// # Errors
    /// [`Error::Limit`] for more frames than a chunk has, [`Error::Usage`] for features of another
    /// size or that are not finite, [`Error::Manifest`] for a model without heads.
    pub fn infer_features(&self, features: &[f32], frames: usize, name: &str) -> Result<Report> {
        let began = Instant::now();
        let classifier = self.model.require_classifier()?;
        let result = self.run_features(features, frames).map_err(|error| error.in_file(name))?;
        let frontend = &self.model.manifest().frontend;
        let info = StreamInfo {
            duration_s: frontend.samples_for(frames) as f64 / f64::from(frontend.sample_rate_hz()),
            sample_rate_hz: frontend.sample_rate_hz(),
            channels: 1,
            damaged_packets: 0,
            warnings: Vec::new(),
            quality: Vec::new(),
            decode_time: Duration::ZERO,
            resample_time: Duration::ZERO,
        };
        let builder = ReportBuilder { model: &self.model, classifier, options: &self.options };
        Ok(builder.report(name.to_owned(), &info, &[result], |_| None, began))
    }

    /// Computes the embedding of a recording: the mean of its channels, the mean over its chunks.
    ///
    /// # Errors
    /// What is wrong with the recording, with its name; [`Error::TooShort`] for one with too little
    /// audio or speech.
    pub fn embed(&self, recording: Recording) -> Result<Embedding> {
        self.embed_with(recording, &EmbedOptions::default(), &mut NoControl)
    }

    /// As [`Engine::embed`], with options and a control that can pause and cancel.
    ///
    /// # Errors
    /// Those of [`Engine::embed`], and the control's own; [`Error::Usage`] for a layer that does
    /// not exist or is not a vector.
    pub fn embed_with(
        &self,
        recording: Recording,
        options: &EmbedOptions,
        control: &mut dyn Control,
    ) -> Result<Embedding> {
        let (source, name) = recording.open(self.options.raw.as_ref(), &self.options.limits)?;
        Embedder::new(&self.model, options, self.options.threads)
            .and_then(|embedder| embedder.run(source, control, &name))
            .map_err(|error| error.in_file(&name))
    }

    /// Runs a recording. Chunks are processed in the order in which they are complete, a channel's
    /// after those of the channel before it.
    fn run(
        &self,
        source: AudioSource,
        classifier: &ClassifierManifest,
        control: &mut dyn Control,
        observer: &mut dyn Observer,
    ) -> Result<(StreamInfo, Vec<VoiceResult>)> {
        let mut stream = SignalStream::new(source, self.channel_mode(), self.rate_hz())?;
        let mut voices: Vec<VoicePipeline<'_>> =
            (0..stream.signals()).map(|index| self.voice_pipeline(classifier, index)).collect();
        observer.begins(stream.sample_rate_hz(), voices.len() as u16)?;
        let context = ChunkContext { model: &self.model, options: &self.options, hop: self.hop(), speakers: false };
        let batch = pool::batch(self.options.threads);
        let mut ready = Vec::new();
        loop {
            control.step(&stream.progress())?;
            if !stream.next()? {
                break;
            }
            for (index, voice) in voices.iter_mut().enumerate() {
                let (samples, resampled) = stream.block(index);
                observer.samples(voice.channel(), samples)?;
                voice.push(resampled, &mut |chunk| ready.push((index, chunk)));
            }
            if ready.len() >= batch {
                let mut take = |index: usize, output: ChunkOutput| voices[index].take(output, observer);
                self.pool.run(context, &mut ready, control, &stream.progress(), &mut take)?;
            }
        }
        let min_samples = self.min_samples();
        for (index, voice) in voices.iter_mut().enumerate() {
            ready.extend(voice.last_chunk(min_samples).map(|chunk| (index, chunk)));
        }
        let mut take = |index: usize, output: ChunkOutput| voices[index].take(output, observer);
        self.pool.run(context, &mut ready, control, &stream.progress(), &mut take)?;
        let results = voices.into_iter().map(|voice| voice.finish(observer)).collect::<Result<_>>()?;
        Ok((stream.info(), results))
    }

    /// Runs a recording with speaker diarization: windows through the segmentation, then the
    /// pieces that it finds through the network. Returns the time of the segmentation, too.
    fn run_speakers(
        &self,
        source: AudioSource,
        classifier: &ClassifierManifest,
        speakers: Speakers,
        control: &mut dyn Control,
        observer: &mut dyn Observer,
    ) -> Result<(StreamInfo, Vec<SignalResult>, Duration)> {
        let mut segmenter = Segmenter::new(self.segmentation()?, &self.options);
        let mut stream = SignalStream::new(source, self.channel_mode(), self.rate_hz())?;
        let mut signals: Vec<SpeakerPipeline<'_>> =
            (0..stream.signals()).map(|index| self.speaker_pipeline(&segmenter, index)).collect::<Result<_>>()?;
        observer.begins(stream.sample_rate_hz(), signals.len() as u16)?;
        let mut windows = Vec::new();
        while stream.next()? {
            control.step(&stream.progress())?;
            for (index, signal) in signals.iter_mut().enumerate() {
                let (samples, resampled) = stream.block(index);
                observer.samples(signal.channel(), samples)?;
                signal.push(resampled, &mut |window| windows.push((index, window)));
            }
            if windows.len() >= segmenter.batch() {
                self.run_windows(&mut segmenter, &mut windows, &mut signals, control, &stream.progress())?;
            }
        }
        for (index, signal) in signals.iter_mut().enumerate() {
            windows.extend(signal.last_window().map(|window| (index, window)));
        }
        self.run_windows(&mut segmenter, &mut windows, &mut signals, control, &stream.progress())?;
        let mut pieces = Vec::new();
        for (index, signal) in signals.iter_mut().enumerate() {
            signal.close(&mut |piece| pieces.push((index, piece)));
        }
        self.run_pieces(&mut pieces, &mut signals, control, &stream.progress())?;
        let rules = DecisionRules::new(&classifier.heads, self.model.manifest());
        let finish = |signal: SpeakerPipeline<'_>| signal.finish(speakers, rules, &self.options);
        Ok((stream.info(), signals.into_iter().map(finish).collect(), segmenter.time()))
    }

    /// Segments windows and empties them; runs the pieces that become complete.
    fn run_windows(
        &self,
        segmenter: &mut Segmenter<'_>,
        windows: &mut Vec<(usize, Chunk)>,
        signals: &mut [SpeakerPipeline<'_>],
        control: &mut dyn Control,
        progress: &Progress,
    ) -> Result<()> {
        control.step(progress)?;
        let of_windows = segmenter.run(&windows.iter().map(|(_, window)| window).collect::<Vec<_>>())?;
        let mut pieces = Vec::new();
        for ((index, window), active) in windows.drain(..).zip(of_windows) {
            signals[index].add_window(window, active, &mut |piece| pieces.push((index, piece)));
        }
        self.run_pieces(&mut pieces, signals, control, progress)
    }

    fn run_pieces(
        &self,
        pieces: &mut Vec<(usize, Chunk)>,
        signals: &mut [SpeakerPipeline<'_>],
        control: &mut dyn Control,
        progress: &Progress,
    ) -> Result<()> {
        let context = ChunkContext { model: &self.model, options: &self.options, hop: None, speakers: true };
        let mut take = |index: usize, output: ChunkOutput| {
            signals[index].take(output);
            Ok(())
        };
        self.pool.run(context, pieces, control, progress, &mut take)
    }

    /// The pipeline of the signal with this index.
    fn speaker_pipeline<'a>(&self, segmenter: &Segmenter<'a>, index: usize) -> Result<SpeakerPipeline<'a>> {
        let channel = if self.options.per_channel { index as u16 + 1 } else { 0 };
        let frontend = &self.model.manifest().frontend;
        let limits = InputLimits {
            longest: frontend.chunk_samples(),
            shortest: frontend.samples_for(self.model.min_frames()).max(1),
            shortest_predicted: self.min_samples(),
        };
        SpeakerPipeline::new(channel, segmenter.segmentation(), limits)
    }

    /// The segmentation of speakers, which is loaded once.
    fn segmentation(&self) -> Result<&Segmentation> {
        if let Some(segmentation) = self.segmentation.get() {
            return Ok(segmentation);
        }
        let embedded = cfg!(embedded_weights);
        let catalogue = if embedded { Catalogue::of(&[]) } else { Catalogue::installed() };
        let segmentation = catalogue.segmentation(self.model.precision())?;
        Ok(self.segmentation.get_or_init(|| segmentation))
    }

    /// If the options ask for speakers: whether segmentation and model fit together.
    fn check_speakers(&self) -> Result<()> {
        if self.options.speakers.is_none() {
            return Ok(());
        }
        let segmentation = self.segmentation()?;
        self.model.check_speaker_embedding(segmentation.require_embedding()?)?;
        let rate_hz = segmentation.manifest().segmentation.sample_rate_hz;
        if rate_hz != self.rate_hz() {
            let (name, own) = (&self.model.manifest().name, self.rate_hz());
            return Err(Error::Unsupported(format!(
                "speakers: the model `{name}` works at {own} Hz, the segmentation at {rate_hz} Hz"
            )));
        }
        Ok(())
    }

    fn run_features(&self, features: &[f32], frames: usize) -> Result<VoiceResult> {
        let frontend = &self.model.manifest().frontend;
        let longest = frontend.frames(frontend.chunk_samples());
        if frames > longest {
            let what = "number of frames in a clip's features";
            return Err(Error::Limit { what, actual: frames as u64, limit: longest as u64 });
        }
        let mut result = VoiceResult::default();
        if frames < self.model.min_frames() {
            return Ok(result);
        }
        let started = Instant::now();
        let mut workspace = Workspace::default();
        let output = self.model.prepare(features, frames, &mut workspace)?.predict(self.options.heads)?;
        result.aggregate.add(&ChunkOutput::without_audio(output, started.elapsed()));
        Ok(result)
    }

    fn report(
        &self,
        classifier: &ClassifierManifest,
        name: String,
        info: &StreamInfo,
        results: &[VoiceResult],
        began: Instant,
    ) -> Report {
        let builder = ReportBuilder { model: &self.model, classifier, options: &self.options };
        builder.report(name, info, results, self.channel_of(), began)
    }

    /// The number of a signal's channel from its index, `None` for the mean of all.
    fn channel_of(&self) -> fn(usize) -> Option<u16> {
        match self.channel_mode() {
            ChannelMode::Mean => |_| None,
            ChannelMode::Each => |index| Some(index as u16 + 1),
        }
    }

    fn channel_mode(&self) -> ChannelMode {
        if self.options.per_channel { ChannelMode::Each } else { ChannelMode::Mean }
    }

    /// The pipeline of the signal with this index.
    fn voice_pipeline<'a>(&'a self, classifier: &'a ClassifierManifest, index: usize) -> VoicePipeline<'a> {
        let channel = if self.options.per_channel { index as u16 + 1 } else { 0 };
        let chunker = Chunker::new(self.model.manifest().frontend.chunk_samples(), self.hop());
        let smoother = self.options.timeline.map(|timeline| {
            let hop = timeline.hop(self.rate_hz());
            let rules = DecisionRules::new(&classifier.heads, self.model.manifest());
            Smoother::new(self.rate_hz(), hop, timeline.smoothing, rules, &self.options)
        });
        VoicePipeline::new(channel, chunker, smoother)
    }

    /// The network's sample rate, Hz.
    fn rate_hz(&self) -> u32 {
        self.model.manifest().frontend.sample_rate_hz()
    }

    /// Samples from one segment of the timeline to the next; `None` without a timeline.
    fn hop(&self) -> Option<usize> {
        self.options.timeline.map(|timeline| timeline.hop(self.rate_hz()))
    }

    /// The shortest recording that is predicted, in samples at the front-end's rate.
    fn min_samples(&self) -> usize {
        let frontend = &self.model.manifest().frontend;
        let requested = (self.options.min_duration_s * f64::from(frontend.sample_rate_hz())).ceil() as usize;
        requested.max(frontend.samples_for(self.model.min_frames())).max(1)
    }
}

fn check(model: &Model, options: &Options) -> Result<()> {
    options.check()?;
    let manifest = model.manifest();
    if options.min_familiarity > 0.0 && manifest.domain.is_none() {
        let (least, name) = (options.min_familiarity, &manifest.name);
        return Err(Error::usage(format!("min_familiarity: {least}, but the model `{name}` states no domain")));
    }
    if let Some(baseline) = options.baseline.as_ref().filter(|baseline| baseline.dim() != model.dim()) {
        let (dim, expected) = (baseline.dim(), model.dim());
        return Err(Error::usage(format!("baseline: of vectors of {dim} values; those of this model have {expected}")));
    }
    if options.baseline.is_some() && manifest.baseline.is_none() {
        return Err(Error::usage(format!("baseline: the model `{}` has none", manifest.name)));
    }
    let frontend = &model.manifest().frontend;
    let chunk_s = frontend.chunk_samples() as f64 / f64::from(frontend.sample_rate_hz());
    options.timeline.iter().try_for_each(|timeline| timeline.check(chunk_s))
}

#[cfg(test)]
#[cfg(embedded_weights)]
mod tests;
