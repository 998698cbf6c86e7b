//! Suggests the known name that is closest to a misspelt one.

use strsim::levenshtein;

/// The name with the smallest edit distance (Levenshtein) to `asked`. `None` if more than a third of
/// the letters would have to change.
pub(super) fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distances = names.map(|name| (levenshtein(asked, name), name));
    let (changes, name) = distances.min_by_key(|(changes, _)| *changes)?;
    let letters = asked.chars().count().max(name.chars().count());
    (3 * changes <= letters).then_some(name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_close_names_are_suggested() {
        let names = ["xvector-cnn", "xvector-fcn", "campplus-fcn"];
        let nearest = |asked| super::nearest(asked, names.into_iter());
        assert_eq!(nearest("xvectro-cnn"), Some("xvector-cnn"));
        assert_eq!(nearest("xvector_fcn"), Some("xvector-fcn"));
        assert_eq!(nearest("camplus-fcn"), Some("campplus-fcn"));
        assert_eq!((nearest("wavlm"), nearest("")), (None, None));
        assert_eq!(super::nearest("a", std::iter::empty()), None);
    }
}
