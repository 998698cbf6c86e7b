//! What is kept of a recording while it is answered: as much as the forms and files that were asked for need.

use std::path::Path;

use persona_engine::engine::{Collector, Observer, Report, Segment};
use persona_engine::export::{Audio, MergedSegments, PageCollector, TextGrid, write_page};
use persona_engine::{Error, Result};

use super::args::InferArgs;
use super::form::Form;
use super::output::written;
use super::timeline_args::output_of;

/// One recording's observers; nothing for what was not asked for.
pub(super) struct Collected<'f, 'o> {
    form: &'f mut Form<'o>,
    /// For JSON.
    kept: Option<Collector>,
    /// For the table.
    pub(super) runs: Option<MergedSegments>,
    grid: Option<TextGrid>,
    sketch: Option<PageCollector>,
}

impl<'f, 'o> Collected<'f, 'o> {
    pub(super) fn new(args: &InferArgs, form: &'f mut Form<'o>) -> Self {
        let asked = &args.timeline;
        let is_table = matches!(form, Form::Table { .. });
        Self {
            form,
            kept: (args.json && asked.timeline).then(Collector::default),
            runs: (is_table && asked.timeline).then(MergedSegments::default),
            grid: asked.textgrid.as_ref().map(|_| TextGrid::default()),
            sketch: asked.html.as_ref().map(|_| PageCollector::default()),
        }
    }

    /// Puts the timelines that were kept into the report.
    pub(super) fn complete(&mut self, report: &mut Report) {
        let Some(kept) = self.kept.take() else {
            return;
        };
        let mut timelines = kept.timelines.into_iter();
        report.voices.iter_mut().for_each(|voice| voice.timeline = timelines.next());
    }

    /// Writes the files that were asked for.
    pub(super) fn write_files(&self, args: &InferArgs, recording: &Path, report: &Report) -> Result<()> {
        if let (Some(asked), Some(grid)) = (&args.timeline.textgrid, &self.grid) {
            written(&output_of(asked, recording, "TextGrid"), |to| Ok(grid.write(to)?))?;
        }
        if let (Some(asked), Some(sketch)) = (&args.timeline.html, &self.sketch) {
            let audio = args.timeline.embed_audio.then(|| Audio::of(recording)).transpose()?;
            written(&output_of(asked, recording, "html"), |to| {
                write_page(to, report, sketch, audio.as_ref()).map_err(Error::from)
            })?;
        }
        Ok(())
    }
}

impl Observer for Collected<'_, '_> {
    fn begins(&mut self, sample_rate_hz: u32, voices: u16) -> Result<()> {
        if let Some(kept) = &mut self.kept {
            kept.begins(sample_rate_hz, voices)?;
        }
        self.sketch.as_mut().map_or(Ok(()), |sketch| sketch.begins(sample_rate_hz, voices))
    }

    fn samples(&mut self, channel: u16, samples: &[f32]) -> Result<()> {
        self.sketch.as_mut().map_or(Ok(()), |sketch| sketch.samples(channel, samples))
    }

    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        self.form.segment(channel, segment)?;
        if let Some(kept) = &mut self.kept {
            kept.segment(channel, segment)?;
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
