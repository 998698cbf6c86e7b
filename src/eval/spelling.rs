//! The words by which corpora call a system's labels.

use crate::error::{Error, Result};

/// Words that mean the same, lower case; the first is the full word.
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

/// From a table's word to the index of a system's label. Case and surrounding blanks make no difference.
#[derive(Debug, Clone)]
pub struct Spelling {
    labels: Vec<String>,
    own: Vec<(String, usize)>,
}

impl Spelling {
    /// For a head's labels. `own` are the user's words, `(word, label)`; those whose label is not this head's are left to others.
    pub fn new(labels: &[String], own: &[(String, String)]) -> Self {
        let mut spelling = Self { labels: labels.to_vec(), own: Vec::new() };
        let own = own.iter().filter_map(|(word, label)| Some((folded(word), spelling.index(label)?)));
        spelling.own = own.collect();
        spelling
    }

    /// The label that a word stands for, if any.
    pub fn index(&self, word: &str) -> Option<usize> {
        let word = folded(word);
        if let Some((_, index)) = self.own.iter().find(|(own, _)| *own == word) {
            return Some(*index);
        }
        let same = |label: &String| folded(label) == word;
        let means_the_same = |label: &String| group(&word).is_some_and(|g| group(&folded(label)) == Some(g));
        self.labels.iter().position(same).or_else(|| self.labels.iter().position(means_the_same))
    }

    /// The system's labels, in its order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}

/// Refuses a word given by the user that leads to none of the heads' labels.
pub(super) fn check_own(own: &[(String, String)], heads: &[&Spelling]) -> Result<()> {
    match own.iter().find(|(_, label)| heads.iter().all(|head| head.index(label).is_none())) {
        None => Ok(()),
        Some((word, label)) => {
            let known: Vec<&str> = heads.iter().flat_map(|head| head.labels()).map(String::as_str).collect();
            Err(Error::Config(format!(
                "label {word}={label}: `{label}` is no label of this system: {}",
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

    fn spelling(labels: &[&str], own: &[(&str, &str)]) -> Spelling {
        let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
        let own: Vec<_> = own.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        Spelling::new(&labels, &own)
    }

    #[test]
    fn codes_and_full_words_are_known_both_ways() {
        let emotion = spelling(&["anger", "disgust", "fear", "happiness", "neutral", "sadness"], &[]);
        for (index, words) in
            ["ANG anger Angry", "DIS disgust", "FEA fearful", "HAP happy joy", "NEU neutral", "SAD\t sad"]
                .iter()
                .enumerate()
        {
            words.split(' ').for_each(|word| assert_eq!(emotion.index(word), Some(index), "{word}"));
        }
        assert_eq!(emotion.index("surprise"), None);
        assert_eq!(emotion.index(""), None);
        let gender = spelling(&["F", "M"], &[]);
        assert_eq!([" Female", "f", "male", "M"].map(|w| gender.index(w)), [Some(0), Some(0), Some(1), Some(1)]);
    }

    #[test]
    fn own_words_win_and_wrong_ones_are_refused() {
        let emotion = spelling(&["anger", "sadness"], &[("calm", "SAD"), ("anger", "sadness"), ("x", "female")]);
        assert_eq!(emotion.index("Calm"), Some(1));
        assert_eq!(emotion.index("anger"), Some(1));
        assert_eq!(emotion.index("x"), None);
        let message = check_own(&[("x".into(), "elf".into())], &[&emotion]).unwrap_err().to_string();
        assert!(message.contains("x=elf") && message.contains("anger, sadness"), "{message}");
    }
}
