//! Label aliases: the words that corpora use for a model's labels.

use crate::error::{Error, Result};

/// Groups of synonyms in lower case; the first is the full word.
const SYNONYMS: &[&[&str]] = &[
    &["anger", "angry", "ang"],
    &["disgust", "disgusted", "dis"],
    &["fear", "fearful", "fea"],
    &["happiness", "happy", "hap", "joy"],
    &["neutral", "neu"],
    &["sadness", "sad"],
    &["female", "f", "woman", "w"],
    &["male", "m", "man"],
];

/// Maps a table's words to the indices of a model's labels, ignoring case and surrounding blanks.
#[derive(Debug, Clone)]
pub struct LabelAliases {
    labels: Vec<String>,
    own: Vec<(String, usize)>,
}

impl LabelAliases {
    /// For a head's labels. `own` are the user's aliases, `(word, label)`; those for labels of
    /// other heads are ignored.
    pub fn new(labels: &[String], own: &[(String, String)]) -> Self {
        let mut aliases = Self { labels: labels.to_vec(), own: Vec::new() };
        let own = own.iter().filter_map(|(word, label)| Some((folded(word), aliases.index(label)?)));
        aliases.own = own.collect();
        aliases
    }

    /// Index of the label that a word means, if any.
    pub fn index(&self, word: &str) -> Option<usize> {
        let word = folded(word);
        if let Some((_, index)) = self.own.iter().find(|(own, _)| *own == word) {
            return Some(*index);
        }
        let same = |label: &String| folded(label) == word;
        let means_the_same = |label: &String| group(&word).is_some_and(|g| group(&folded(label)) == Some(g));
        self.labels.iter().position(same).or_else(|| self.labels.iter().position(means_the_same))
    }

    /// The model's labels, in its order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}

/// Fails for a user's alias whose label no head has.
///
/// # Errors
/// [`Error::Usage`] with the known labels.
pub(super) fn check_aliases(own: &[(String, String)], heads: &[&LabelAliases]) -> Result<()> {
    match own.iter().find(|(_, label)| heads.iter().all(|head| head.index(label).is_none())) {
        None => Ok(()),
        Some((word, label)) => {
            let known: Vec<&str> = heads.iter().flat_map(|head| head.labels()).map(String::as_str).collect();
            Err(Error::Usage(format!(
                "label {word}={label}: this model has no label `{label}`; it has {}",
                known.join(", ")
            )))
        }
    }
}

fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}

fn group(word: &str) -> Option<usize> {
    SYNONYMS.iter().position(|words| words.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aliases(labels: &[&str], own: &[(&str, &str)]) -> LabelAliases {
        let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
        let own: Vec<_> = own.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        LabelAliases::new(&labels, &own)
    }

    #[test]
    fn codes_and_full_words_are_synonyms() {
        let emotion = aliases(&["anger", "disgust", "fear", "happiness", "neutral", "sadness"], &[]);
        for (index, words) in
            ["ANG anger Angry", "DIS disgust", "FEA fearful", "HAP happy joy", "NEU neutral", "SAD\t sad"]
                .iter()
                .enumerate()
        {
            words.split(' ').for_each(|word| assert_eq!(emotion.index(word), Some(index), "{word}"));
        }
        assert_eq!(emotion.index("nll"), None);
        assert_eq!(emotion.index(""), None);
        let gender = aliases(&["F", "M"], &[]);
        assert_eq!([" Female", "f", "male", "M"].map(|w| gender.index(w)), [Some(0), Some(0), Some(1), Some(1)]);
    }

    #[test]
    fn own_aliases_take_precedence_and_unknown_labels_are_errors() {
        let emotion = aliases(&["anger", "sadness"], &[("calm", "SAD"), ("anger", "sadness"), ("x", "female")]);
        assert_eq!(emotion.index("Calm"), Some(1));
        assert_eq!(emotion.index("anger"), Some(1));
        assert_eq!(emotion.index("x"), None);
        let message = check_aliases(&[("x".into(), "elf".into())], &[&emotion]).unwrap_err().to_string();
        assert!(message.contains("x=elf") && message.contains("anger, sadness"), "{message}");
    }
}
