//! The backends that a pick leaves out.

/// The backends that an exchange was sent to already, a handful at most, and those that can't take it now, which may be
/// all of them. The second are a bit each, so that leaving many out costs a pick no more than looking at them once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried<'a> {
    few: &'a [usize],
    many: Option<&'a BackendSet>,
}

/// A set of backends, by their indices in the service's list.
#[derive(Debug, Default)]
pub struct BackendSet {
    words: Vec<u64>,
    count: usize,
}

impl<'a> Tried<'a> {
    /// Leaves out both.
    pub fn new(few: &'a [usize], many: &'a BackendSet) -> Self {
        Self { few, many: Some(many) }
    }

    /// The same, with other few.
    pub(super) fn with_few<'b>(self, few: &'b [usize]) -> Tried<'b>
    where
        'a: 'b,
    {
        Tried { few, many: self.many }
    }

    /// Those that the exchange was sent to.
    pub fn few(self) -> &'a [usize] {
        self.few
    }

    /// Whether this backend is left out.
    pub fn contains(self, backend: usize) -> bool {
        self.few.contains(&backend) || self.many.is_some_and(|many| many.contains(backend))
    }

    /// How many are left out, at most.
    pub fn len(self) -> usize {
        self.few.len() + self.many.map_or(0, |many| many.count)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl<'a> From<&'a [usize]> for Tried<'a> {
    fn from(few: &'a [usize]) -> Self {
        Self { few, many: None }
    }
}

impl<'a, const N: usize> From<&'a [usize; N]> for Tried<'a> {
    fn from(few: &'a [usize; N]) -> Self {
        Self { few, many: None }
    }
}

impl<'a> From<&'a Vec<usize>> for Tried<'a> {
    fn from(few: &'a Vec<usize>) -> Self {
        Self { few, many: None }
    }
}

impl BackendSet {
    /// Empties the set; its memory stays.
    pub fn clear(&mut self) {
        self.words.clear();
        self.count = 0;
    }

    /// Adds a backend.
    pub fn insert(&mut self, place: usize) {
        let (word, bit) = (place / 64, 1 << (place % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if self.words[word] & bit == 0 {
            self.words[word] |= bit;
            self.count += 1;
        }
    }

    /// Whether the backend is in the set.
    pub fn contains(&self, place: usize) -> bool {
        self.words.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    /// How many backends are in the set.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_a_set_once_it_was_added_and_counted_once() {
        let mut places = BackendSet::default();
        for place in [0, 63, 64, 200, 64] {
            places.insert(place);
        }
        let within: Vec<_> = (0..300).filter(|&place| places.contains(place)).collect();
        assert_eq!((within, places.len()), (vec![0, 63, 64, 200], 4));
        places.clear();
        assert!(places.is_empty() && !(0..300).any(|place| places.contains(place)));
    }

    #[test]
    fn both_the_few_and_the_many_are_passed_over() {
        let mut many = BackendSet::default();
        many.insert(7);
        let tried = Tried::new(&[2], &many);
        assert_eq!([2, 7, 3].map(|backend| tried.contains(backend)), [true, true, false]);
        assert_eq!((tried.len(), tried.is_empty(), Tried::default().is_empty()), (2, false, true));
    }
}
