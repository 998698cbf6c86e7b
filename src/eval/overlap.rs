//! Overlap of the table's speakers with the model's training speakers.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::engine::Manifest;

/// Speakers of the table whom the model file names as training speakers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrainingOverlap {
    /// Whether it could be checked: the table has speakers, and the model file names its own
    /// (`data.actors`).
    pub checked: bool,
    /// Speakers who are in both, by name.
    pub speakers: Vec<String>,
    /// Number of speakers in the table.
    pub of: usize,
}

impl TrainingOverlap {
    pub(super) fn find(manifest: &Manifest, speakers: &BTreeSet<&str>) -> Self {
        let trained = trained_on(manifest);
        let both: Vec<String> =
            speakers.iter().filter(|name| trained.contains(name.trim())).map(ToString::to_string).collect();
        Self { checked: !trained.is_empty() && !speakers.is_empty(), speakers: both, of: speakers.len() }
    }

    /// The warning that precedes the results.
    pub(super) fn warning(&self) -> Option<String> {
        if !self.checked {
            let what = "cannot check whether the model was trained on these speakers: \
                the table has no speakers, or the model file does not name its training speakers";
            return Some(what.into());
        }
        let (both, of) = (self.speakers.len(), self.of);
        (both > 0).then(|| {
            format!(
                "TRAINED ON THESE SPEAKERS: {both} of the {of} speakers are training speakers according to the model \
                 file (data.actors). These results are speaker-dependent; expect lower ones, perhaps far lower, for \
                 unseen speakers"
            )
        })
    }
}

fn trained_on(manifest: &Manifest) -> BTreeSet<String> {
    let actors = manifest.data.get("actors").and_then(|actors| actors.as_array());
    let name =
        |actor: &serde_json::Value| actor.as_str().map_or_else(|| actor.to_string(), |name| name.trim().to_owned());
    actors.into_iter().flatten().map(name).collect()
}

#[cfg(all(test, embedded_weights))]
mod tests {
    use super::*;
    use crate::engine::{Engine, Options};

    #[test]
    fn training_speakers_are_found_by_name() {
        let engine = Engine::with_default_model(Options::default()).unwrap();
        let mut manifest = engine.model().manifest().clone();
        manifest.data.insert("actors".into(), serde_json::json!(["1001", 1002]));
        let overlap = |names: &[&str]| TrainingOverlap::find(&manifest, &names.iter().copied().collect());
        assert_eq!(overlap(&["1001", "1002", "7"]).speakers, ["1001", "1002"]);
        assert!(overlap(&["1001", "7"]).warning().unwrap().contains("1 of the 2 speakers"));
        assert_eq!(overlap(&["7"]).warning(), None);
        assert!(overlap(&[]).warning().unwrap().contains("cannot check"));
        manifest.data.remove("actors");
        assert!(!TrainingOverlap::find(&manifest, &BTreeSet::from(["1"])).checked);
    }
}
