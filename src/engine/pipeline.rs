//! The main job: bytes → samples → windows → answers → report, as a stream. What is held at once is a few windows, whatever the length.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::audio::Decoder;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::models::System;

use super::answer::Scratch;
use super::control::{Control, NoControl};
use super::lane::{Lane, LaneEnd};
use super::observer::{Collector, Observer};
use super::options::Options;
use super::recording::Recording;
use super::report::{ChannelsReport, Report};
use super::smoother::Smoother;
use super::stream::{Heard, SignalStream, Split};
use super::windows::Windows;

/// A system, ready to answer recordings. One engine serves any number of threads; nothing in it changes.
///
/// ```no_run
/// use persona_engine::engine::{Engine, Options, System};
///
/// # fn main() -> persona_engine::Result<()> {
/// let system = System::open("weights/xvector-cnn.safetensors".as_ref())?;
/// let report = Engine::new(system, Options::default())?.infer_file("call.wav".as_ref())?;
/// match (&report.answers.emotion, report.no_answer) {
///     (Some(emotion), _) => println!("{} ({:.0} %)", emotion.label, 100.0 * emotion.probability()),
///     (None, reason) => println!("no answer: {reason:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(super) system: Arc<System>,
    pub(super) options: Options,
    /// What threads left that answered windows; at most as many as ever did at one time.
    pub(super) idle: Arc<Mutex<Vec<Scratch>>>,
}

impl Engine {
    /// Checks the options, and that the system's front-end can be built.
    ///
    /// # Errors
    /// [`Error::Config`] that names what makes no sense.
    pub fn new(system: System, options: Options) -> Result<Self> {
        check(&system, &options)?;
        let first = Scratch::new(&system)?;
        Ok(Self { system: Arc::new(system), options, idle: Arc::new(Mutex::new(vec![first])) })
    }

    /// The same system by other options. Cheap: the network and its scratch are shared.
    ///
    /// # Errors
    /// [`Error::Config`] that names what makes no sense.
    pub fn with_options(&self, options: Options) -> Result<Self> {
        check(&self.system, &options)?;
        Ok(Self { system: Arc::clone(&self.system), options, idle: Arc::clone(&self.idle) })
    }

    /// The system that answers.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// The options that it answers by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Predicts one file.
    ///
    /// # Errors
    /// Whatever is wrong with the file, naming it: [`Error::Read`], [`Error::Malformed`], [`Error::Unsupported`], [`Error::Limit`].
    pub fn infer_file(&self, path: &Path) -> Result<Report> {
        self.infer(Recording::file(path), &mut NoControl)
    }

    /// Predicts one stream of bytes, of a file or a pipe; `name` stands for it in the report.
    ///
    /// # Errors
    /// As [`Engine::infer_file`]; the name is given as the file.
    pub fn infer_reader(&self, reader: impl Read + Send + Sync + 'static, name: &str) -> Result<Report> {
        self.infer(Recording::stream(reader, name), &mut NoControl)
    }

    /// Predicts the mean of a recording's channels at a control; with a timeline, if the options ask for one.
    ///
    /// # Errors
    /// As [`Engine::infer_file`]; and the control's own.
    pub fn infer(&self, recording: Recording, control: &mut dyn Control) -> Result<Report> {
        let mut collector = Collector::default();
        let mut report = self.listen(recording, control, &mut collector)?;
        report.timeline = self.options.timeline.and_then(|_| collector.timelines.pop());
        Ok(report)
    }

    /// Predicts each channel of a recording apart, in one pass; with timelines, if the options ask for them.
    ///
    /// # Errors
    /// As [`Engine::infer_file`].
    pub fn infer_channels(&self, recording: Recording, control: &mut dyn Control) -> Result<ChannelsReport> {
        let mut collector = Collector::default();
        let mut report = self.listen_to_channels(recording, control, &mut collector)?;
        for (channel, timeline) in report.per_channel.iter_mut().zip(collector.timelines) {
            channel.timeline = self.options.timeline.map(|_| timeline);
        }
        Ok(report)
    }

    /// Predicts the mean of a recording's channels. The observer is told its samples and its timeline as they come; the report keeps neither.
    ///
    /// # Errors
    /// As [`Engine::infer_file`]; and the control's and the observer's own.
    pub fn listen(
        &self,
        recording: Recording,
        control: &mut dyn Control,
        observer: &mut dyn Observer,
    ) -> Result<Report> {
        let began = Instant::now();
        let (decoder, name) = recording.open(self.options.raw.as_ref(), &self.options.limits)?;
        let run = self.run(decoder, Split::Mean, control, observer).map_err(|error| error.in_file(&name));
        run.map(|(heard, mut ends)| {
            let end = ends.pop().unwrap_or_default();
            self.report(name, &heard, &end, began)
        })
    }

    /// As [`Engine::listen`], each channel answered apart.
    ///
    /// # Errors
    /// As [`Engine::listen`].
    pub fn listen_to_channels(
        &self,
        recording: Recording,
        control: &mut dyn Control,
        observer: &mut dyn Observer,
    ) -> Result<ChannelsReport> {
        let began = Instant::now();
        let (decoder, name) = recording.open(self.options.raw.as_ref(), &self.options.limits)?;
        let run = self.run(decoder, Split::Each, control, observer).map_err(|error| error.in_file(&name));
        run.map(|(heard, ends)| self.channels_report(name, &heard, &ends, began))
    }

    /// The way of the data. Windows are answered in the order in which they are complete, a channel's after those of the channel before it.
    fn run(
        &self,
        decoder: Decoder,
        split: Split,
        control: &mut dyn Control,
        observer: &mut dyn Observer,
    ) -> Result<(Heard, Vec<LaneEnd>)> {
        let mut stream = SignalStream::new(decoder, split, self.rate_hz())?;
        let mut lanes: Vec<Lane<'_>> = (0..stream.signals()).map(|index| self.lane(split, index)).collect();
        observer.begins(stream.sample_rate_hz(), lanes.len() as u16)?;
        let mut ready = Vec::new();
        loop {
            control.step(&stream.progress())?;
            if !stream.next()? {
                break;
            }
            for (index, lane) in lanes.iter_mut().enumerate() {
                let (samples, resampled) = stream.block(index);
                observer.samples(lane.channel(), samples)?;
                lane.push(resampled, &mut |window| ready.push((index, window)));
            }
            if ready.len() >= self.batch() {
                self.answer(&mut ready, control, &stream.progress(), &mut |index, answer| {
                    lanes[index].take(answer, observer)
                })?;
            }
        }
        let min_samples = self.min_samples();
        for (index, lane) in lanes.iter_mut().enumerate() {
            ready.extend(lane.last_window(min_samples).map(|window| (index, window)));
        }
        self.answer(&mut ready, control, &stream.progress(), &mut |index, answer| lanes[index].take(answer, observer))?;
        let ends = lanes.into_iter().map(|lane| lane.finish(observer)).collect::<Result<_>>()?;
        Ok((stream.heard(), ends))
    }

    /// The lane of the signal with this index.
    fn lane(&self, split: Split, index: usize) -> Lane<'_> {
        let channel = if split == Split::Mean { 0 } else { index as u16 + 1 };
        let manifest = self.system.manifest();
        let windows = Windows::new(manifest.frontend.chunk_samples(), self.hop());
        let smoother = self.options.timeline.map(|timeline| {
            Smoother::new(
                self.rate_hz(),
                timeline.hop(self.rate_hz()),
                timeline.smoothing,
                &manifest.heads,
                &self.options,
            )
        });
        Lane::new(channel, windows, smoother)
    }

    /// The rate that the network hears, Hz.
    fn rate_hz(&self) -> u32 {
        self.system.manifest().frontend.sample_rate_hz()
    }

    /// Samples from one segment of the timeline to the next; nothing without one.
    pub(super) fn hop(&self) -> Option<usize> {
        self.options.timeline.map(|timeline| timeline.hop(self.rate_hz()))
    }

    /// The shortest recording that is answered, in samples at the front-end's rate.
    fn min_samples(&self) -> usize {
        let frontend = &self.system.manifest().frontend;
        let asked = (self.options.min_duration_s * f64::from(frontend.sample_rate_hz())).ceil() as usize;
        asked.max(frontend.samples_for(self.system.min_frames())).max(1)
    }
}

fn check(system: &System, options: &Options) -> Result<()> {
    options.check()?;
    let frontend = &system.manifest().frontend;
    let window_s = frontend.chunk_samples() as f64 / f64::from(frontend.sample_rate_hz());
    options.timeline.iter().try_for_each(|timeline| timeline.check(window_s))
}
