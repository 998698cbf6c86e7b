//! Segments of a recording: a report for each, in one pass over the recording.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::audio::Span;
use crate::error::{Error, Result};

use super::audio_source::{AudioSource, SpanBlocks};
use super::control::Control;
use super::engine::Engine;
use super::observer::Collector;
use super::recording::Recording;
use super::report::Report;
use super::round::rounded;

impl Engine {
    /// Predicts segments of a recording: each as if it were a recording of its own, with its start
    /// and end in the report. Returns a result per segment, in their order.
    ///
    /// The recording is decoded once. (Of a file, segments that overlap by more than a minute are
    /// decoded in several passes; of other recordings, their common samples are in memory.)
    ///
    /// # Errors
    /// Of each segment: those of [`Engine::infer`]; [`Error::Usage`] for invalid times, and for
    /// [`Recording::samples`]; [`Error::TooShort`] for a segment that starts after the end of the
    /// recording or ends more than 0.1 s after it. An error of decoding is that of all segments
    /// after it, too.
    pub fn infer_spans(&self, recording: Recording, spans: &[Span], control: &mut dyn Control) -> Vec<Result<Report>> {
        let mut results: Vec<Option<Result<Report>>> = spans.iter().map(|span| span.check().err().map(Err)).collect();
        let valid: Vec<usize> = (0..spans.len()).filter(|index| results[*index].is_none()).collect();
        let of_valid: Vec<Span> = valid.iter().map(|index| spans[*index]).collect();
        let mut passes = Span::passes(&of_valid);
        if recording.again().is_none() {
            let mut all: Vec<usize> = passes.into_iter().flatten().collect();
            all.sort_by(|a, b| of_valid[*a].start_s.total_cmp(&of_valid[*b].start_s));
            passes = vec![all];
        }
        let mut recording = Some(recording);
        for pass in passes {
            let again = recording.as_ref().and_then(Recording::again);
            let Some(recording) = std::mem::replace(&mut recording, again) else { break };
            let members: Vec<Span> = pass.iter().map(|index| of_valid[*index]).collect();
            let reports = self.one_pass(recording, &members, control);
            pass.iter().zip(reports).for_each(|(index, report)| results[valid[*index]] = Some(report));
        }
        let missing = || Err(Error::Internal("a segment was not processed".into()));
        results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
    }

    /// The reports of segments in the order of their starts.
    fn one_pass(&self, recording: Recording, spans: &[Span], control: &mut dyn Control) -> Vec<Result<Report>> {
        let name = recording.name().to_owned();
        let opened = recording.open_spans(self.options().raw.as_ref(), &self.options().limits);
        let decoder = match opened {
            Ok(decoder) => Arc::new(Mutex::new(decoder)),
            Err(error) => return spans.iter().map(|_| Err(error.duplicate())).collect(),
        };
        let mut broken: Option<Error> = None;
        let mut reports = Vec::with_capacity(spans.len());
        for (index, &span) in spans.iter().enumerate() {
            if let Some(error) = &broken {
                reports.push(Err(error.duplicate()));
                continue;
            }
            let blocks = SpanBlocks::new(&decoder, span, spans.get(index + 1).copied());
            let (began, mut collector) = (Instant::now(), Collector::default());
            let source = AudioSource::Span(blocks);
            let report = self.infer_source(source, name.clone(), began, control, &mut collector);
            let report = report.map(|report| with_span(self.with_timelines(report, collector), span));
            // A segment may be wrong; anything else is wrong with the recording.
            broken = report.as_ref().err().filter(|error| error.reason() != "too_short").map(Error::duplicate);
            reports.push(report);
        }
        reports
    }
}

fn with_span(mut report: Report, span: Span) -> Report {
    let end_s = span.start_s + report.recording.duration_s;
    (report.recording.start_s, report.recording.end_s) = (Some(rounded(span.start_s, 6)), Some(rounded(end_s, 6)));
    report
}
