//! Units of work: an input, or the segments of one file, which are answered in one pass over it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::input::Input;

/// Number of consecutive inputs within which the segments of a file are one unit. Their results
/// wait in memory for those of the inputs between them, about 2 kB each.
const REACH: usize = 16_384;

/// The numbers of the inputs of each unit, ascending; the units in the order of their first input.
/// Without `together` each input is one.
pub(super) fn units(list: &[Input], numbers: Range<usize>, together: bool) -> Vec<Vec<usize>> {
    let mut units: Vec<Vec<usize>> = Vec::new();
    let mut begin = numbers.start;
    while begin < numbers.end {
        let end = numbers.end.min(begin + REACH);
        let mut by_file: HashMap<&Path, usize> = HashMap::new();
        for (number, input) in list.iter().enumerate().take(end).skip(begin) {
            if !together || input.span.is_none() || input.refused.is_some() {
                units.push(vec![number]);
                continue;
            }
            if let Some(&unit) = by_file.get(&*input.file) {
                units[unit].push(number);
            } else {
                by_file.insert(&input.file, units.len());
                units.push(vec![number]);
            }
        }
        begin = end;
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use persona_engine::engine::Span;

    #[test]
    fn segments_of_a_file_are_one_unit_within_reach() {
        let segment = |file: &str| Input { span: Some(Span { start_s: 0.0, end_s: None }), ..Input::file(file) };
        let list = [segment("a"), segment("b"), Input::file("a"), segment("a"), Input::file("a"), segment("b")];
        assert_eq!(units(&list, 0..6, true), [vec![0, 3], vec![1, 5], vec![2], vec![4]]);
        assert_eq!(units(&list, 1..6, true), [vec![1, 5], vec![2], vec![3], vec![4]]);
        assert_eq!(units(&list, 4..6, false), [[4], [5]]);
        let many = vec![segment("a"); REACH + 1];
        assert_eq!(units(&many, 0..many.len(), true).iter().map(Vec::len).collect::<Vec<_>>(), [REACH, 1]);
    }
}
