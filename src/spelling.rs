//! Misspelt names: of keys and words in the configuration, of services and backends in questions.

/// The name that was probably meant: at most a third of the letters wrong.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |s: &str| s.to_ascii_lowercase().replace('-', "_");
    let wanted = fold(text);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&wanted, &fold(name)), name))
        .filter(|(distance, name)| *distance <= (name.len().max(wanted.len()) / 3).max(1) && *distance < name.len())
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
}
