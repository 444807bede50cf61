//! Drawing at random without those that may not be drawn.

/// One of `count` places at random, each as likely as any other; never one that is `excluded`, of which there are at most
/// `at_most`. `None` when all are excluded.
pub(super) fn draw(
    count: usize,
    at_most: usize,
    random: &mut fastrand::Rng,
    excluded: impl Fn(usize) -> bool,
) -> Option<usize> {
    if count == 0 {
        return None;
    }
    if at_most * 2 <= count {
        // at least every second throw is a hit
        loop {
            let place = random.usize(..count);
            if !excluded(place) {
                return Some(place);
            }
        }
    }
    // Few are left beside the excluded ones, which are a handful: look at all. The k-th takes the place of the one chosen so
    // far with probability 1/k (Knuth, "The Art of Computer Programming", volume 2, 3.4.2, algorithm R).
    let mut chosen = None;
    for (seen, place) in (0..count).filter(|&place| !excluded(place)).enumerate() {
        if random.usize(..=seen) == 0 {
            chosen = Some(place);
        }
    }
    chosen
}

/// Two different places as [`draw`] draws one; the second is `None` when there is only one.
pub(super) fn draw_two(
    count: usize,
    at_most: usize,
    random: &mut fastrand::Rng,
    excluded: impl Fn(usize) -> bool,
) -> Option<(usize, Option<usize>)> {
    let first = draw(count, at_most, random, &excluded)?;
    let second = draw(count, at_most + 1, random, |place| place == first || excluded(place));
    Some((first, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_is_not_excluded_is_as_likely_as_any_other() {
        for (count, excluded) in [(1, &[][..]), (2, &[0]), (3, &[1]), (10, &[2, 3]), (4, &[0, 1, 3]), (5, &[4, 0, 2])] {
            let mut random = fastrand::Rng::with_seed(7);
            let mut drawn = vec![0_u32; count];
            for _ in 0..10_000 {
                drawn[draw(count, excluded.len(), &mut random, |place| excluded.contains(&place)).unwrap()] += 1;
            }
            let expected = 10_000 / (count - excluded.len()) as u32;
            for (place, times) in drawn.into_iter().enumerate() {
                match excluded.contains(&place) {
                    true => assert_eq!(times, 0),
                    false => assert!(times.abs_diff(expected) <= expected / 10, "{place} of {count}: {times}"),
                }
            }
        }
    }

    #[test]
    fn two_are_never_the_same_and_none_is_made_up() {
        let mut random = fastrand::Rng::with_seed(7);
        assert_eq!(draw_two(0, 0, &mut random, |_| false), None);
        assert_eq!(draw_two(1, 0, &mut random, |_| false), Some((0, None)));
        assert_eq!(draw_two(3, 2, &mut random, |place| place != 1), Some((1, None)));
        assert_eq!(draw_two(3, 3, &mut random, |_| true), None);
        for count in 2..20 {
            for _ in 0..100 {
                let (first, second) = draw_two(count, 0, &mut random, |_| false).unwrap();
                assert!(second.is_some_and(|second| second != first && second < count));
            }
        }
    }
}
