//! Observers of one recording: what the output format and the requested files need of its samples
//! and segments.

use std::path::Path;

use persona_engine::engine::{Collector, Observer, Report, Segment};
use persona_engine::export::{Audio, MergedSegments, PageCollector, TextGrid, write_page, write_rttm};
use persona_engine::import::write_atomically;
use persona_engine::{Error, Result};

use super::args::InferArgs;
use super::format::Format;
use super::timeline_args::output_path;

/// The observers of one recording; `None` for those that no option needs.
pub(super) struct Observers<'f, 'o> {
    format: &'f mut Format<'o>,
    /// For JSON.
    collector: Option<Collector>,
    /// For the table.
    pub(super) runs: Option<MergedSegments>,
    grid: Option<TextGrid>,
    sketch: Option<PageCollector>,
}

impl<'f, 'o> Observers<'f, 'o> {
    pub(super) fn new(args: &InferArgs, format: &'f mut Format<'o>) -> Self {
        let options = &args.timeline;
        let is_table = matches!(format, Format::Table { .. });
        Self {
            format,
            collector: (args.json && options.show).then(Collector::default),
            runs: (is_table && options.show).then(MergedSegments::default),
            grid: options.textgrid.as_ref().map(|_| TextGrid::default()),
            sketch: options.html.as_ref().map(|_| PageCollector::default()),
        }
    }

    /// Moves the collected timelines into the report.
    pub(super) fn add_timelines(&mut self, report: &mut Report) {
        let Some(collector) = self.collector.take() else {
            return;
        };
        let mut timelines = collector.timelines.into_iter();
        report.voices.iter_mut().for_each(|voice| voice.timeline = timelines.next());
    }

    /// Writes the requested files.
    pub(super) fn write_files(&self, args: &InferArgs, recording: &Path, report: &Report) -> Result<()> {
        if let Some(out) = &args.timeline.rttm {
            write_atomically(&output_path(out, recording, "rttm"), |to| Ok(write_rttm(to, report)?))?;
        }
        if let (Some(out), Some(_)) = (&args.timeline.textgrid, args.timeline.speakers) {
            let grid = TextGrid::of_speakers(report);
            write_atomically(&output_path(out, recording, "TextGrid"), |to| Ok(grid.write(to)?))?;
        } else if let (Some(out), Some(grid)) = (&args.timeline.textgrid, &self.grid) {
            write_atomically(&output_path(out, recording, "TextGrid"), |to| Ok(grid.write(to)?))?;
        }
        if let (Some(out), Some(sketch)) = (&args.timeline.html, &self.sketch) {
            let audio = args.timeline.embed_audio.then(|| Audio::of(recording)).transpose()?;
            write_atomically(&output_path(out, recording, "html"), |to| {
                write_page(to, report, sketch, audio.as_ref()).map_err(Error::from)
            })?;
        }
        Ok(())
    }
}

impl Observer for Observers<'_, '_> {
    fn begins(&mut self, sample_rate_hz: u32, voices: u16) -> Result<()> {
        if let Some(collector) = &mut self.collector {
            collector.begins(sample_rate_hz, voices)?;
        }
        self.sketch.as_mut().map_or(Ok(()), |sketch| sketch.begins(sample_rate_hz, voices))
    }

    fn samples(&mut self, channel: u16, samples: &[f32]) -> Result<()> {
        self.sketch.as_mut().map_or(Ok(()), |sketch| sketch.samples(channel, samples))
    }

    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        self.format.segment(channel, segment)?;
        if let Some(collector) = &mut self.collector {
            collector.segment(channel, segment)?;
        }
        if let Some(runs) = &mut self.runs {
            runs.segment(channel, segment)?;
        }
        if let Some(grid) = &mut self.grid {
            grid.segment(channel, segment)?;
        }
        if let Some(sketch) = &mut self.sketch {
            sketch.segment(channel, segment)?;
        }
        Ok(())
    }
}
