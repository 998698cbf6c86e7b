//! The way from a request to a report: read the table, answer its clips, measure the answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::engine::Engine;
use crate::error::Result;

use super::ages::AgeCase;
use super::bootstrap::{Bootstrap, CONFIDENCE, MIN_UNITS};
use super::calibration::BINS;
use super::classes::{ClassCase, PROBABILITY_FLOOR};
use super::clips::{Running, Source, answer_all};
use super::groups::{groupings, speakers};
use super::measures::{Baselines, InUnit, detail, majority, mean_age, measure_ages, measure_classes};
use super::overlap::TrainingOverlap;
use super::prediction::Prediction;
use super::problem::{Problem, counts, refusal};
use super::report::{EvalReport, Group, InputInfo, Measures, Problems, SCHEMA, Settings, SystemInfo};
use super::table::{Row, Selection, Table, Words};

/// Problems that a report lists.
const LISTED: usize = 1000;

/// What is to be measured, and how. The default is the program's.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The labelled table (CSV).
    pub table: PathBuf,
    /// The features file, for a table with a column `clip`; without it the table's column `file` names recordings.
    pub features: Option<PathBuf>,
    /// Which rows.
    pub selection: Selection,
    /// Columns to measure by; none asks for sex, band of age, race, emotion and sentence, where the table has them.
    pub group_by: Vec<String>,
    /// How intervals are drawn.
    pub bootstrap: Bootstrap,
    /// Threads that answer clips; 0 counts as 1. The report is the same for any number.
    pub threads: usize,
    /// Whether what cannot be used is left out and counted. If not, it is refused with its line, and nothing is measured.
    pub keep_going: bool,
}

/// A clip, what is true of it and what the system said.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// Its row of the table.
    pub row: Row,
    /// The system's answers.
    pub prediction: Prediction,
}

/// The report, and the answers that it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The measures.
    pub report: EvalReport,
    /// Clip by clip, in the table's order.
    pub answers: Vec<Answered>,
}

/// Measures the engine's system. `progress` is told how many clips are done of how many.
///
/// # Errors
/// Naming file and line: whatever keeps the table or the features file from being read, and without
/// [`keep_going`](Request::keep_going) whatever of the table cannot be used ([`crate::Error::Config`]); [`crate::Error::Config`] for options that make no sense, and
/// where nothing is left to be measured.
pub fn evaluate(engine: &Engine, request: &Request, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Evaluation> {
    request.bootstrap.check()?;
    let manifest = engine.system().manifest();
    let words = Words::new(manifest, &request.selection.own_words)?;
    let source = Source::open(&request.table, request.features.as_deref(), engine)?;
    let column = source.clip_column();
    let table = Table::read(&request.table, column, &request.selection, &words, |clip| source.locate(clip))?;
    if !table.problems.is_empty() && !request.keep_going {
        return Err(refusal(&table.problems).in_file(&request.table));
    }
    let labels = [words.emotion.labels(), words.gender.labels()];
    let usable: Vec<&Row> = table.rows.iter().collect();
    groupings(&table, &usable, labels, &request.group_by)?; // before an hour is spent on the clips
    let (answers, mut problems) = answered(engine, &source, &table, request, progress)?;
    problems.extend(table.problems.iter().cloned());
    problems.sort_by_key(|problem| problem.line);
    if answers.is_empty() {
        return Err(refusal(&problems).in_file(&request.table));
    }
    let report = report(engine, request, &table, &answers, problems, labels)?;
    Ok(Evaluation { report, answers })
}

/// The clips that were answered, and the problems of the others.
fn answered(
    engine: &Engine,
    source: &Source,
    table: &Table,
    request: &Request,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(Vec<Answered>, Vec<Problem>)> {
    let all = table.rows.len();
    let told = |done| progress(done, all);
    let running = Running { threads: request.threads, keep_going: request.keep_going, progress: &told };
    let (mut answers, mut problems) = (Vec::new(), Vec::new());
    for (row, answer) in table.rows.iter().zip(answer_all(engine, source, &table.rows, running)?) {
        match answer {
            Ok(prediction) => answers.push(Answered { row: row.clone(), prediction }),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() || request.keep_going {
        return Ok((answers, problems));
    }
    Err(refusal(&problems).in_file(&request.table))
}

fn report(
    engine: &Engine,
    request: &Request,
    table: &Table,
    answers: &[Answered],
    problems: Vec<Problem>,
    labels: [&[String]; 2],
) -> Result<EvalReport> {
    let manifest = engine.system().manifest();
    let rows: Vec<&Row> = answers.iter().map(|answer| &answer.row).collect();
    let (groupings, mut warnings) = groupings(table, &rows, labels, &request.group_by)?;
    let names = speakers(rows.iter().copied());
    let training_overlap = TrainingOverlap::find(manifest, &names);
    warnings.splice(0..0, training_overlap.warning());
    warnings.extend(resampling_warning(names.len(), table.roles.speaker.is_some()));
    let cases = Cases::new(answers, request.bootstrap, labels);
    let all: Vec<usize> = (0..answers.len()).collect();
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
        input: input_info(request, table, answers.len(), names.len()),
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
        no_answer: reasons(answers),
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
            list: problems.into_iter().take(LISTED).collect(),
        },
    })
}

fn input_info(request: &Request, table: &Table, clips: usize, speakers: usize) -> InputInfo {
    let text = |condition: &super::Condition| format!("{}={}", condition.column, condition.value);
    InputInfo {
        kind: if request.features.is_some() { "features" } else { "audio" },
        table: request.table.to_string_lossy().into_owned(),
        features: request.features.as_ref().map(|path| path.to_string_lossy().into_owned()),
        conditions: request.selection.conditions.iter().map(text).collect(),
        limit: request.selection.limit,
        rows: table.asked,
        clips,
        speakers,
    }
}

fn resampling_warning(speakers: usize, named: bool) -> Option<String> {
    match (speakers, named) {
        (_, false) => Some(
            "the table has no column `speaker` (or `actor`): intervals are drawn over clips, as if each were another person's, and are too narrow \
             where a person speaks more than once"
                .into(),
        ),
        (1, true) => Some("all clips are of one speaker: nothing is known of other voices, and no interval is given".into()),
        (2..MIN_UNITS, true) => Some(format!("only {speakers} speakers: too few for an interval")),
        (MIN_UNITS..15, true) => Some(format!("only {speakers} speakers: the intervals are rough, and likely too narrow")),
        _ => None,
    }
}

fn reasons(answers: &[Answered]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for reason in answers.iter().filter_map(|answer| answer.prediction.no_answer) {
        let name = serde_json::to_value(reason).ok();
        let name = name.as_ref().and_then(|value| value["reason"].as_str()).unwrap_or("other").to_owned();
        *reasons.entry(name).or_default() += 1;
    }
    reasons
}

/// The clips as cases of each head, with the units of the bootstrap.
struct Cases<'a> {
    answers: &'a [Answered],
    bootstrap: Bootstrap,
    labels: [&'a [String]; 2],
    units: Vec<usize>,
    emotion: Vec<Option<ClassCase>>,
    gender: Vec<Option<ClassCase>>,
    age: Vec<Option<AgeCase>>,
}

impl<'a> Cases<'a> {
    fn new(answers: &'a [Answered], bootstrap: Bootstrap, labels: [&'a [String]; 2]) -> Self {
        let emotion = |a: &Answered| ClassCase::new(a.row.emotion?, a.prediction.emotion.as_ref()?);
        let gender = |a: &Answered| ClassCase::new(a.row.gender?, a.prediction.gender.as_ref()?);
        let age = |a: &Answered| {
            Some(AgeCase { truth: a.row.age?, years: a.prediction.years?, interval: a.prediction.interval })
        };
        Self {
            answers,
            bootstrap,
            labels,
            units: units(answers),
            emotion: answers.iter().map(emotion).collect(),
            gender: answers.iter().map(gender).collect(),
            age: answers.iter().map(age).collect(),
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
            speakers: speakers(members.iter().map(|&at| &self.answers[at].row)).len(),
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
                    "every clip has the {head} `{}`: its accuracy, UAR and F1 say nothing of telling labels apart",
                    labels[first]
                )
            })
        };
        heads.into_iter().filter_map(warning).collect()
    }
}

/// The unit of each clip: its speaker by the order of the names, or itself by the order of the clips' names where nobody is named.
fn units(answers: &[Answered]) -> Vec<usize> {
    let key = |answer: &'_ Answered| answer.row.speaker.clone().unwrap_or_else(|| answer.row.clip.clone());
    let numbers: BTreeMap<String, usize> = answers.iter().map(|answer| (key(answer), 0)).collect();
    let numbers: BTreeMap<String, usize> = numbers.into_keys().zip(0..).collect();
    answers.iter().map(|answer| numbers[&key(answer)]).collect()
}
