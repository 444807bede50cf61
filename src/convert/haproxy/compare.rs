//! What expressions compare, as far as it is no matter of routes: texts, numbers, hosts.

/// Fields of which routes see nothing, or something else than what was sent.
pub const NEVER_SEEN: [&str; 13] = [
    "expect",
    "host",
    "proxy-authorization",
    "proxy-authenticate",
    "connection",
    "proxy-connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "http2-settings",
];
/// Comparisons of numbers.
const OPERATORS: [&str; 5] = ["eq", "ge", "gt", "le", "lt"];

/// A fetch and its converters: what stands between commas outside of parentheses.
pub fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth <= 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Whether whole texts are compared, of a fetch with one argument.
pub fn is_text(method: &str, argument: &str, values: &[String]) -> bool {
    let is_operator = values.len() > 1 && OPERATORS.contains(&values[0].as_str());
    matches!(method, "" | "str")
        && !values.is_empty()
        && !is_operator
        && !argument.is_empty()
        && !argument.contains(',')
}

/// Whether a number is one of these, which may be ranges, or above or below one.
pub fn is_number(values: &[String], number: u16) -> Option<bool> {
    let number = u64::from(number);
    if let Some((operator, numbers)) = values.split_first().filter(|(first, _)| OPERATORS.contains(&first.as_str())) {
        let numbers = numbers.iter().map(|text| text.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?;
        let holds = |than: &u64| match operator.as_str() {
            "eq" => number == *than,
            "ge" => number >= *than,
            "gt" => number > *than,
            "le" => number <= *than,
            _ => number < *than,
        };
        return (!numbers.is_empty()).then(|| numbers.iter().any(holds));
    }
    let mut found = false;
    for value in values {
        let (first, last) = value.split_once(':').unwrap_or((value, value));
        let bound = |text: &str, open| if text.is_empty() { Some(open) } else { text.parse::<u64>().ok() };
        found |= (bound(first, 0)?..=bound(last, u64::MAX)?).contains(&number);
    }
    (!values.is_empty()).then_some(found)
}

/// A host without `:8080` behind it.
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => host,
    }
}
