//! The measures of all recordings, and their JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::measures::rounded;
use super::super::ratio::{mean, ratio};
use super::annotation::Annotation;
use super::comparison::{COLLAR_S, Comparison, compare};
use super::error_rate::ErrorTimes;
use super::intervals::Intervals;
use super::jaccard::JaccardSum;

/// Version of the JSON. It increases when a field changes its meaning or is removed.
pub const SCHEMA: u32 = 1;

/// Annotations by the name of the recording.
pub type Annotations = BTreeMap<String, Annotation>;

/// What is compared, and where it comes from.
#[derive(Debug, Clone, Default)]
pub struct DiarizationInputs {
    /// Who speaks when in truth.
    pub reference: Annotations,
    /// The time to be scored of each recording; `None`: all of it, of all recordings.
    pub scored: Option<BTreeMap<String, Intervals>>,
    /// What was found.
    pub hypothesis: Annotations,
    /// Whether a recording that the hypothesis lacks is one in which nothing was found. If not, it
    /// is not scored.
    pub missing_is_silence: bool,
}

/// The complete result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiarizationReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The program and its version.
    pub created_by: String,
    /// Where everything comes from.
    pub source: DiarizationSource,
    /// See [`COLLAR_S`].
    pub collar_s: f64,
    /// Recordings that are not scored, or not as the reader may expect.
    pub warnings: Vec<String>,
    /// All recordings together.
    pub overall: Overall,
    /// Each recording, by name.
    pub recordings: Vec<DiarizationRow>,
}

/// Files and model of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DiarizationSource {
    /// RTTM file of the reference, as the user named it.
    pub reference: String,
    /// UEM file, as the user named it.
    pub uem: Option<String>,
    /// RTTM file of the hypothesis, as the user named it; `None`: the program's own.
    pub hypothesis: Option<String>,
    /// The model, if the hypothesis is the program's own.
    pub system: Option<String>,
}

/// The measures of all recordings. Errors are sums, the Jaccard error rate is the mean over all
/// speakers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Overall {
    /// Measures of the recordings together.
    #[serde(flatten)]
    pub rates: Rates,
    /// Number of recordings.
    pub recordings: usize,
    /// Share of the recordings in which the right number of speakers was found.
    pub speaker_count_accuracy: Option<f64>,
    /// Mean absolute error of the number of speakers.
    pub speaker_count_error: Option<f64>,
}

/// The measures of one recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiarizationRow {
    /// Name of the recording.
    pub recording: String,
    /// Its measures.
    #[serde(flatten)]
    pub rates: Rates,
}

/// Measures; shares from 0 to 1 of the speech.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Scored time, seconds.
    pub scored_s: f64,
    /// Without collar.
    pub no_collar: ErrorRates,
    /// With the collar.
    pub collar: ErrorRates,
    /// Jaccard error rate, without collar.
    pub jer: Option<f64>,
    /// Speakers of the reference.
    pub speakers: usize,
    /// Speakers found.
    pub speakers_found: usize,
}

/// The diarization error rate and its parts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ErrorRates {
    /// Seconds.
    #[serde(flatten)]
    pub times: ErrorTimes,
    /// Diarization error rate.
    pub der: Option<f64>,
    /// Share of missed speech.
    pub missed: Option<f64>,
    /// False alarms relative to the speech.
    pub false_alarm: Option<f64>,
    /// Share of speech attributed to another speaker.
    pub confusion: Option<f64>,
}

impl DiarizationReport {
    /// Compares all recordings.
    pub fn new(source: DiarizationSource, inputs: &DiarizationInputs) -> Self {
        let (names, warnings) = inputs.names();
        let nothing = Annotation::default();
        let find = |all: &Annotations, name: &str| all.get(name).unwrap_or(&nothing).clone();
        let compared: Vec<(String, Comparison)> = names
            .into_iter()
            .map(|name| {
                let scored = inputs.scored.as_ref().map(|scored| scored.get(&name).cloned().unwrap_or_default());
                let (reference, hypothesis) = (find(&inputs.reference, &name), find(&inputs.hypothesis, &name));
                let found = compare(&reference, &hypothesis, scored.as_ref());
                (name, found)
            })
            .collect();
        Self {
            schema: SCHEMA,
            created_by: concat!("persona-engine ", env!("CARGO_PKG_VERSION")).into(),
            source,
            collar_s: COLLAR_S,
            warnings,
            overall: Overall::of(&compared),
            recordings: compared
                .into_iter()
                .map(|(recording, compared)| DiarizationRow { recording, rates: Rates::from(&compared) })
                .collect(),
        }
    }
}

impl DiarizationInputs {
    /// The recordings to be scored, and warnings about those that are not, or that one side lacks.
    fn names(&self) -> (BTreeSet<String>, Vec<String>) {
        let (mut names, mut warnings) = (BTreeSet::new(), Vec::new());
        let all: BTreeSet<&String> = self.reference.keys().chain(self.hypothesis.keys()).collect();
        for name in all {
            let in_reference = self.reference.contains_key(name);
            let warning = match (&self.scored, in_reference, self.hypothesis.contains_key(name)) {
                (Some(scored), ..) if !scored.contains_key(name) => "not scored, the UEM file does not name it",
                (None, false, _) => "not scored, the reference does not name it",
                (Some(_), false, _) => "nobody speaks in the reference: all that was found is a false alarm",
                (_, true, false) if !self.missing_is_silence => "not scored, no such recording was given",
                (_, true, false) => "nobody speaks in the hypothesis: all of the reference is missed",
                (_, true, true) => "",
            };
            if !warning.starts_with("not scored") {
                names.insert(name.clone());
            }
            if !warning.is_empty() {
                warnings.push(format!("{name}: {warning}"));
            }
        }
        (names, warnings)
    }
}

impl Overall {
    fn of(compared: &[(String, Comparison)]) -> Self {
        let mut sum = Comparison::default();
        for (_, found) in compared {
            sum.scored_s += found.scored_s;
            sum.errors += found.errors;
            sum.errors_with_collar += found.errors_with_collar;
            sum.jaccard += found.jaccard;
            sum.speakers += found.speakers;
            sum.speakers_found += found.speakers_found;
        }
        let count_error = |found: &Comparison| found.speakers.abs_diff(found.speakers_found);
        let right = compared.iter().filter(|(_, found)| count_error(found) == 0).count();
        Self {
            rates: Rates::from(&sum),
            recordings: compared.len(),
            speaker_count_accuracy: ratio(right as f64, compared.len() as f64).map(rounded),
            speaker_count_error: mean(compared.iter().map(|(_, found)| count_error(found) as f64)).map(rounded),
        }
    }
}

impl From<&Comparison> for Rates {
    fn from(found: &Comparison) -> Self {
        Self {
            scored_s: rounded(found.scored_s),
            no_collar: ErrorRates::from(found.errors),
            collar: ErrorRates::from(found.errors_with_collar),
            jer: JaccardSum::jer(&found.jaccard).map(rounded),
            speakers: found.speakers,
            speakers_found: found.speakers_found,
        }
    }
}

impl From<ErrorTimes> for ErrorRates {
    fn from(times: ErrorTimes) -> Self {
        let share = |seconds: f64| ratio(seconds, times.speech_s).map(rounded);
        let ErrorTimes { speech_s, missed_s, false_alarm_s, confusion_s } = times;
        let [speech, missed, false_alarm, confusion] = [speech_s, missed_s, false_alarm_s, confusion_s].map(rounded);
        Self {
            der: times.der().map(rounded),
            missed: share(missed_s),
            false_alarm: share(false_alarm_s),
            confusion: share(confusion_s),
            times: ErrorTimes {
                speech_s: speech,
                missed_s: missed,
                false_alarm_s: false_alarm,
                confusion_s: confusion,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> DiarizationInputs {
        let annotation = |speakers: &[(&str, f64, f64)]| Annotation::of(speakers.iter().copied());
        let named = |name: &str, speakers: &[(&str, f64, f64)]| (name.to_owned(), annotation(speakers));
        DiarizationInputs {
            reference: [
                named("one", &[("a", 0.0, 4.0), ("b", 4.0, 8.0)]),
                named("two", &[("a", 0.0, 2.0)]),
                named("three", &[("a", 0.0, 1.0)]),
            ]
            .into(),
            scored: None,
            hypothesis: [
                named("one", &[("x", 0.0, 4.0), ("y", 4.0, 7.0)]),
                named("two", &[("x", 0.0, 1.0), ("y", 1.0, 2.0)]),
                named("four", &[("x", 0.0, 1.0)]),
            ]
            .into(),
            missing_is_silence: true,
        }
    }

    #[test]
    fn sums_weigh_recordings_by_their_speech() {
        let report = DiarizationReport::new(DiarizationSource::default(), &inputs());
        let names: Vec<_> = report.recordings.iter().map(|row| &*row.recording).collect();
        assert_eq!(names, ["one", "three", "two"]);
        let ErrorRates { times, der, missed, confusion, .. } = report.overall.rates.no_collar;
        assert_eq!((times.speech_s, der), (11.0, Some(rounded(3.0 / 11.0))));
        assert_eq!((missed, confusion), (Some(rounded(2.0 / 11.0)), Some(rounded(1.0 / 11.0))));
        // one of three recordings has its two speakers; the others miss one and find one too many
        assert_eq!(report.overall.speaker_count_accuracy, Some(0.333_333));
        assert_eq!(report.overall.speaker_count_error, Some(0.666_667));
        // speakers: 0 and 1/4, 1/2, 1
        assert_eq!(report.overall.rates.jer, Some(0.4375));
        let lacking: Vec<_> = report.warnings.iter().map(|text| text.split(':').next().unwrap()).collect();
        assert_eq!(lacking, ["four", "three"]);
    }

    #[test]
    fn what_is_not_scored_is_named() {
        let mut inputs = inputs();
        inputs.missing_is_silence = false;
        let report = DiarizationReport::new(DiarizationSource::default(), &inputs);
        assert_eq!(report.recordings.len(), 2);
        assert!(report.warnings[1].contains("three: not scored, no such recording"), "{:?}", report.warnings);
        let second = Intervals::union([(0.0, 1.0)]);
        inputs.scored = Some([("two".to_owned(), second.clone()), ("four".to_owned(), second)].into());
        let report = DiarizationReport::new(DiarizationSource::default(), &inputs);
        let rows: Vec<_> = report.recordings.iter().map(|row| (&*row.recording, row.rates.no_collar.der)).collect();
        assert_eq!(rows, [("four", None), ("two", Some(0.0))]);
        assert_eq!(report.overall.rates.no_collar.der, Some(1.0));
        assert_eq!(report.warnings.len(), 3, "{:?}", report.warnings);
    }
}
