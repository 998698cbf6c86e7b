//! Evaluation of a model: reads the table, predicts its clips, computes the metrics.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::engine::Engine;
use crate::error::Result;

use super::ages::AgeCase;
use super::bootstrap::{Bootstrap, CONFIDENCE, MIN_UNITS};
use super::calibration::BINS;
use super::classes::{ClassCase, PROBABILITY_FLOOR};
use super::clips::{RunOptions, Source, predict_all};
use super::groups::{groupings, speakers};
use super::measures::{Baselines, InUnit, detail, majority, mean_age, measure_ages, measure_classes};
use super::overlap::TrainingOverlap;
use super::prediction::Prediction;
use super::problem::{Problem, counts, table_error};
use super::report::{EvalReport, Group, InputInfo, Measures, Problems, SCHEMA, Settings, SystemInfo};
use super::table::{HeadAliases, Row, Selection, Table};

/// Maximum number of problems listed in a report.
const MAX_LISTED: usize = 1000;

/// What to evaluate, and how. The default is the program's.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The labelled table (CSV), or another list of segments that [`crate::lists`] reads.
    pub table: PathBuf,
    /// The features file, for a table with a column `clip`. `None`: the table's column `file` names
    /// recordings.
    pub features: Option<PathBuf>,
    /// Selection of rows.
    pub selection: Selection,
    /// Grouping columns. Empty: sex, age band, race, emotion and sentence, where the table has
    /// them.
    pub group_by: Vec<String>,
    /// Settings of the confidence intervals.
    pub bootstrap: Bootstrap,
    /// Threads that process clips; 0 counts as 1. The report is the same for any number.
    pub threads: usize,
    /// Whether to skip and count rows and labels that cannot be used. If not, they are an error.
    pub keep_going: bool,
}

/// A clip with its true labels and the model's prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluatedClip {
    /// The row of the table.
    pub row: Row,
    /// The model's prediction.
    pub prediction: Prediction,
}

/// The report, and the predictions behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The metrics.
    pub report: EvalReport,
    /// The evaluated clips, in the table's order.
    pub clips: Vec<EvaluatedClip>,
}

/// Evaluates the engine's model. `progress(done, all)` is called with numbers of clips.
///
/// # Errors
/// With file and line: errors of reading the table or the features file, and, without
/// [`keep_going`](Request::keep_going), [`crate::Error::Malformed`] for rows and labels that cannot
/// be used. [`crate::Error::Usage`] for invalid options. An error also if no clip is left.
pub fn evaluate(engine: &Engine, request: &Request, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Evaluation> {
    request.bootstrap.check()?;
    let manifest = engine.model().manifest();
    let aliases = HeadAliases::new(manifest, &request.selection.aliases)?;
    let source = Source::open(request.features.as_deref(), engine)?;
    let column = source.clip_column();
    let table =
        Table::read(&request.table, column, &request.selection, &aliases, |row, clip| source.locate(row, clip))?;
    if !table.problems.is_empty() && !request.keep_going {
        return Err(table_error(&table.problems).in_file(&request.table));
    }
    let labels = [aliases.emotion.labels(), aliases.gender.labels()];
    let usable: Vec<&Row> = table.rows.iter().collect();
    groupings(&table, &usable, labels, &request.group_by)?; // fails before hours are spent on the clips
    let (clips, mut problems) = predict(engine, &source, &table, request, progress)?;
    problems.extend(table.problems.iter().cloned());
    problems.sort_by_key(|problem| problem.line);
    if clips.is_empty() {
        return Err(table_error(&problems).in_file(&request.table));
    }
    let report = report(engine, request, &table, &clips, problems, labels)?;
    Ok(Evaluation { report, clips })
}

/// The predicted clips, and the problems of the others.
fn predict(
    engine: &Engine,
    source: &Source,
    table: &Table,
    request: &Request,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(Vec<EvaluatedClip>, Vec<Problem>)> {
    let all = table.rows.len();
    let report_done = |done| progress(done, all);
    let options = RunOptions { threads: request.threads, keep_going: request.keep_going, progress: &report_done };
    let (mut clips, mut problems) = (Vec::new(), Vec::new());
    for (row, outcome) in table.rows.iter().zip(predict_all(engine, source, &table.rows, options)?) {
        match outcome {
            Ok(prediction) => clips.push(EvaluatedClip { row: row.clone(), prediction }),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() || request.keep_going {
        return Ok((clips, problems));
    }
    Err(table_error(&problems).in_file(&request.table))
}

fn report(
    engine: &Engine,
    request: &Request,
    table: &Table,
    clips: &[EvaluatedClip],
    problems: Vec<Problem>,
    labels: [&[String]; 2],
) -> Result<EvalReport> {
    let manifest = engine.model().manifest();
    let rows: Vec<&Row> = clips.iter().map(|clip| &clip.row).collect();
    let (groupings, mut warnings) = groupings(table, &rows, labels, &request.group_by)?;
    let names = speakers(rows.iter().copied());
    let training_overlap = TrainingOverlap::find(manifest, &names);
    warnings.splice(0..0, training_overlap.warning());
    warnings.extend(table.warnings.iter().cloned());
    warnings.extend(resampling_warning(names.len(), table.roles.speaker.is_some()));
    let cases = Cases::new(clips, request.bootstrap, labels);
    let all: Vec<usize> = (0..clips.len()).collect();
    warnings.extend(cases.one_class_warnings());
    let groups = groupings.iter().flat_map(|grouping| {
        grouping.groups.iter().map(|(value, members)| Group {
            column: grouping.column.clone(),
            value: value.clone(),
            measures: cases.measures(members),
        })
    });
    let (emotion, gender, age) = (cases.emotion(&all), cases.gender(&all), cases.age(&all));
    Ok(EvalReport {
        schema: SCHEMA,
        created_by: concat!("persona-engine ", env!("CARGO_PKG_VERSION")).into(),
        system: SystemInfo {
            name: manifest.name.clone(),
            sha256: manifest.sha256.clone(),
            created_by: manifest.created_by.clone(),
        },
        input: input_info(request, table, clips.len(), names.len()),
        settings: Settings {
            activity: engine.options().activity && request.features.is_none(),
            bootstrap: request.bootstrap.draws,
            seed: request.bootstrap.seed,
            resampled: if names.is_empty() { "clips" } else { "speakers" },
            confidence_level: CONFIDENCE,
            ece_bins: BINS,
            probability_floor: PROBABILITY_FLOOR,
        },
        warnings,
        training_overlap,
        no_answer: reasons(clips),
        overall: cases.measures(&all),
        emotion_detail: (!emotion.is_empty()).then(|| detail(&emotion, labels[0])),
        gender_detail: (!gender.is_empty()).then(|| detail(&gender, labels[1])),
        baselines: Baselines {
            emotion: majority(&emotion, labels[0]),
            gender: majority(&gender, labels[1]),
            age: mean_age(&age),
        },
        groups: groups.collect(),
        problems: Problems {
            count: problems.len(),
            by_reason: counts(&problems),
            list: problems.into_iter().take(MAX_LISTED).collect(),
        },
    })
}

fn input_info(request: &Request, table: &Table, clips: usize, speakers: usize) -> InputInfo {
    let text = |filter: &super::RowFilter| format!("{}={}", filter.column, filter.value);
    InputInfo {
        kind: if request.features.is_some() { "features" } else { "audio" },
        table: request.table.to_string_lossy().into_owned(),
        features: request.features.as_ref().map(|path| path.to_string_lossy().into_owned()),
        filters: request.selection.filters.iter().map(text).collect(),
        limit: request.selection.limit,
        rows: table.selected,
        clips,
        speakers,
    }
}

fn resampling_warning(speakers: usize, named: bool) -> Option<String> {
    match (speakers, named) {
        (_, false) => Some(
            "the table has no column `speaker` (or `actor`): the bootstrap resamples clips as if each had a different \
             speaker, so the intervals are too narrow if a speaker has several clips"
                .into(),
        ),
        (1, true) => Some(
            "all clips are of one speaker: the results do not generalise to other speakers, and there are no intervals"
                .into(),
        ),
        (2..MIN_UNITS, true) => Some(format!("only {speakers} speakers: too few for intervals")),
        (MIN_UNITS..15, true) => {
            Some(format!("only {speakers} speakers: the intervals are approximate and probably too narrow"))
        }
        _ => None,
    }
}

fn reasons(clips: &[EvaluatedClip]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for reason in clips.iter().filter_map(|clip| clip.prediction.no_answer) {
        let name = serde_json::to_value(reason).ok();
        let name = name.as_ref().and_then(|value| value["reason"].as_str()).unwrap_or("other").to_owned();
        *reasons.entry(name).or_default() += 1;
    }
    reasons
}

/// The clips as cases of each head, with their bootstrap units.
struct Cases<'a> {
    clips: &'a [EvaluatedClip],
    bootstrap: Bootstrap,
    labels: [&'a [String]; 2],
    units: Vec<usize>,
    emotion: Vec<Option<ClassCase>>,
    gender: Vec<Option<ClassCase>>,
    age: Vec<Option<AgeCase>>,
}

impl<'a> Cases<'a> {
    fn new(clips: &'a [EvaluatedClip], bootstrap: Bootstrap, labels: [&'a [String]; 2]) -> Self {
        let emotion = |a: &EvaluatedClip| ClassCase::new(a.row.emotion?, a.prediction.emotion.as_ref()?);
        let gender = |a: &EvaluatedClip| ClassCase::new(a.row.gender?, a.prediction.gender.as_ref()?);
        let age = |a: &EvaluatedClip| {
            Some(AgeCase { truth: a.row.age?, years: a.prediction.years?, interval: a.prediction.interval })
        };
        Self {
            clips,
            bootstrap,
            labels,
            units: units(clips),
            emotion: clips.iter().map(emotion).collect(),
            gender: clips.iter().map(gender).collect(),
            age: clips.iter().map(age).collect(),
        }
    }

    fn of<'b, T>(&self, cases: &'b [Option<T>], members: &[usize]) -> Vec<InUnit<'b, T>> {
        members.iter().filter_map(|&at| Some((self.units[at], cases[at].as_ref()?))).collect()
    }

    fn emotion(&self, members: &[usize]) -> Vec<InUnit<'_, ClassCase>> {
        self.of(&self.emotion, members)
    }

    fn gender(&self, members: &[usize]) -> Vec<InUnit<'_, ClassCase>> {
        self.of(&self.gender, members)
    }

    fn age(&self, members: &[usize]) -> Vec<InUnit<'_, AgeCase>> {
        self.of(&self.age, members)
    }

    fn measures(&self, members: &[usize]) -> Measures {
        Measures {
            clips: members.len(),
            speakers: speakers(members.iter().map(|&at| &self.clips[at].row)).len(),
            emotion: measure_classes(&self.emotion(members), self.labels[0].len(), self.bootstrap),
            gender: measure_classes(&self.gender(members), self.labels[1].len(), self.bootstrap),
            age: measure_ages(&self.age(members), self.bootstrap),
        }
    }

    fn one_class_warnings(&self) -> Vec<String> {
        let heads = [("emotion", &self.emotion, self.labels[0]), ("gender", &self.gender, self.labels[1])];
        let warning = |(head, cases, labels): (&str, &Vec<Option<ClassCase>>, &[String])| {
            let mut truths = cases.iter().flatten().map(|case| case.truth);
            let first = truths.next()?;
            truths.all(|truth| truth == first).then(|| {
                format!(
                    "every clip has the {head} `{}`: accuracy, UAR and F1 do not measure discrimination between labels",
                    labels[first]
                )
            })
        };
        heads.into_iter().filter_map(warning).collect()
    }
}

/// Bootstrap unit of each clip: its speaker's rank by name, or its own rank by clip name if it has
/// no speaker.
fn units(clips: &[EvaluatedClip]) -> Vec<usize> {
    let key = |clip: &'_ EvaluatedClip| clip.row.speaker.clone().unwrap_or_else(|| clip.row.clip.clone());
    let numbers: BTreeMap<String, usize> = clips.iter().map(|clip| (key(clip), 0)).collect();
    let numbers: BTreeMap<String, usize> = numbers.into_keys().zip(0..).collect();
    clips.iter().map(|clip| numbers[&key(clip)]).collect()
}
