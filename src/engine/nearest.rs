//! Nearest name by edit distance, for suggestions in error messages.

/// The name with the smallest edit distance to `asked`, or `None` if more than a third of the
/// letters would change.
pub(super) fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distances = names.map(|name| (distance(asked, name), name));
    let (changes, name) = distances.min_by_key(|(changes, _)| *changes)?;
    let letters = asked.chars().count().max(name.chars().count());
    (3 * changes <= letters).then_some(name)
}

/// Edit distance (Levenshtein 1966): insertions, deletions and substitutions, row by row:
///
/// ```text
/// d[i][j] = min(d[i−1][j] + 1, d[i][j−1] + 1, d[i−1][j−1] + (a[i] ≠ b[j]))
/// ```
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(letter != *other);
            row.push(replaced.min(above[j + 1] + 1).min(row[j] + 1));
        }
        above = row;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        for (a, b, changes) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("xvector", "x-vector", 1)] {
            assert_eq!((distance(a, b), distance(b, a)), (changes, changes), "{a} {b}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["xvector-cnn", "xvector-fcn", "campplus-fcn"];
        let nearest = |asked| nearest(asked, names.into_iter());
        assert_eq!(nearest("xvectro-cnn"), Some("xvector-cnn"));
        assert_eq!(nearest("xvector_fcn"), Some("xvector-fcn"));
        assert_eq!(nearest("camplus-fcn"), Some("campplus-fcn"));
        assert_eq!((nearest("wavlm"), nearest("")), (None, None));
        assert_eq!(super::nearest("a", std::iter::empty()), None);
    }
}
