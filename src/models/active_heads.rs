//! The choice of heads.

/// Which heads are computed. A head whose prediction is unlawful or unwanted can be disabled and is
/// then not computed. Default: all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveHeads {
    /// Emotion.
    pub emotion: bool,
    /// Gender.
    pub gender: bool,
    /// Age.
    pub age: bool,
}

impl ActiveHeads {
    /// All heads.
    pub const ALL: Self = Self { emotion: true, gender: true, age: true };

    /// The heads that are active in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { emotion: self.emotion && other.emotion, gender: self.gender && other.gender, age: self.age && other.age }
    }

    /// The active heads that are not active in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        self.and(Self { emotion: !other.emotion, gender: !other.gender, age: !other.age })
    }

    /// Whether no head is active.
    pub fn is_empty(self) -> bool {
        self.names().next().is_none()
    }

    /// Names of the active heads, in the order of a report.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let heads = [(self.emotion, "emotion"), (self.gender, "gender"), (self.age, "age")];
        heads.into_iter().filter_map(|(runs, name)| runs.then_some(name))
    }
}

impl Default for ActiveHeads {
    fn default() -> Self {
        Self::ALL
    }
}
