//! Names as OpenSLO allows them: labels of RFC 1123.

/// How long the name of a service may be, so that what is put behind it (`-requests`) still fits into the 63 characters of a label.
const LONGEST: usize = 48;

/// The service's name as a label. A name that is none is made one, and gets a hash of itself so that no two become the same.
pub fn label(service: &str) -> String {
    if is_label(service) {
        return service.to_owned();
    }
    let plain: String =
        service.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let short: String = plain.trim_matches('-').chars().take(LONGEST - 17).collect();
    let short = short.trim_end_matches('-');
    let short = if short.is_empty() { "service" } else { short };
    format!("{short}-{:016x}", hash(service))
}

/// A text that fits where at most 63 characters may stand (`displayName`).
pub fn shortened(text: &str) -> String {
    text.chars().take(63).collect()
}

fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
    let bytes = name.as_bytes();
    bytes.len() <= LONGEST && bytes.iter().copied().all(inner) && edge(bytes.first()) && edge(bytes.last())
}

/// FNV-1a with 64 bits: the same on all machines and in all versions, which the standard library's hasher does not promise.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stays_and_all_else_becomes_one() {
        assert_eq!(label("api-v2"), "api-v2");
        let odd =
            ["Api", "api_v2", "api.v2", "-", "", "größe", "a b", "x".repeat(300).as_str(), "a\n- b: c"].map(label);
        for name in &odd {
            assert!(is_label(name), "{name}");
        }
        let different: std::collections::BTreeSet<_> = odd.iter().collect();
        assert_eq!(different.len(), odd.len());
        assert_eq!(odd[0], label("Api"));
        assert!(odd[0].starts_with("api-"), "{}", odd[0]);
    }
}
