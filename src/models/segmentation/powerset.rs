//! Powerset classes: each set of up to so many simultaneous speakers is one class.

/// The sets of at most `simultaneous` of `speakers` speakers as bit masks, in the order of the
/// classes: by size, then lexicographically (Plaquet and Bredin 2023, "Powerset multi-class cross
/// entropy loss for neural speaker diarization"). For 3 and 2: `{}`, `{0}`, `{1}`, `{2}`, `{0, 1}`,
/// `{0, 2}`, `{1, 2}`.
pub(super) fn classes(speakers: usize, simultaneous: usize) -> Vec<u8> {
    let mut sets: Vec<u8> = (0..1_u16 << speakers).map(|set| set as u8).collect();
    sets.retain(|set| set.count_ones() as usize <= simultaneous);
    let members = |set: u8| (0..speakers).filter(|s| set >> s & 1 == 1).collect::<Vec<_>>();
    sets.sort_by_key(|set| (set.count_ones(), members(*set)));
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_in_the_order_of_the_classes() {
        assert_eq!(classes(3, 2), [0, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110]);
        assert_eq!(classes(2, 1), [0, 1, 2]);
        assert_eq!(classes(8, 8).len(), 256);
    }
}
