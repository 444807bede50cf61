//! Misspelt names: of keys and words in the configuration, of services and backends in questions.

/// No name that somebody types is longer. To compare two texts takes time by the product of their lengths, and the text may come from anybody.
const LONGEST: usize = 128;

/// The name that was probably meant: at most a third of the letters wrong.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.len() > LONGEST {
        return None;
    }
    let fold = |s: &str| s.to_ascii_lowercase().replace('-', "_");
    let wanted = fold(text);
    let most = |name: &str| (name.len().max(wanted.len()) / 3).max(1);
    known
        .into_iter()
        // as many letters are wrong at least as one of them has more
        .filter(|name| name.len().abs_diff(wanted.len()) <= most(name))
        .map(|name| (strsim::osa_distance(&wanted, &fold(name)), name))
        .filter(|(distance, name)| *distance <= most(name) && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_letters_may_be_wrong() {
        let known = ["round_robin", "power_of_two", "a"];
        let meant = |text: &str| nearest(text, known);
        assert_eq!(
            [meant("Round-Robbin"), meant("power_of_tow"), meant("b"), meant("random")],
            [Some("round_robin"), Some("power_of_two"), None, None]
        );
    }

    #[test]
    fn a_long_text_is_compared_with_nothing() {
        let long = "x".repeat(100_000);
        let known: Vec<String> = (0..10_000).map(|n| format!("{}{n}", "x".repeat(120))).collect();
        assert_eq!(nearest(&long, known.iter().map(String::as_str)), None);
    }
}
