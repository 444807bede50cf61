//! Lists of cipher suites, as OpenSSL writes them.

/// The suites of TLS 1.2 that are spoken here.
const SPOKEN: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

/// Those of TLS 1.3, which are always spoken.
const NEWER: [&str; 3] = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// The suites of a list that are spoken here, with those of TLS 1.3 before them; `None` where the list has words such as `HIGH`, or none that are.
pub fn known(list: &str) -> Option<Vec<&'static str>> {
    let names: Vec<_> = list.split([':', ',', ' ']).filter(|name| !name.is_empty()).collect();
    let is_name = |name: &&str| name.contains('-') || name.starts_with("TLS_");
    if !names.iter().all(is_name) || names.iter().any(|name| name.starts_with(['!', '-', '+', '@'])) {
        return None;
    }
    let spoken: Vec<_> = names.iter().filter_map(|name| SPOKEN.into_iter().find(|one| one == name)).collect();
    (!spoken.is_empty()).then(|| NEWER.into_iter().chain(spoken).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names_are_carried_over_and_others_are_not() {
        assert_eq!(known("ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES256-GCM-SHA384").unwrap().len(), 4);
        assert_eq!(known("HIGH:!aNULL:!MD5"), None);
        assert_eq!(known("DHE-RSA-AES256-GCM-SHA384"), None);
    }
}
