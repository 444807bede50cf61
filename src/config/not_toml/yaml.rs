//! Lists and tables as YAML writes them, in several lines below their key.

/// What to write for a key with these lines below it.
pub(super) fn meant(key: &str, below: &[&str]) -> Option<String> {
    let scalar = |text: &str| match text.trim() {
        text if text.starts_with(['"', '\'', '[', '{']) || text.parse::<f64>().is_ok() => text.to_owned(),
        text @ ("true" | "false") => text.to_owned(),
        text => format!("{text:?}"),
    };
    let element = |line: &&str| line.trim().strip_prefix("- ").filter(|text| !text.contains(": ")).map(scalar);
    let entry = |line: &&str| {
        let (key, value) = line.trim().split_once(": ")?;
        (!key.starts_with('-')).then(|| format!("{key} = {}", scalar(value)))
    };
    if below.is_empty() {
        return None;
    }
    let list: Option<Vec<String>> = below.iter().map(element).collect();
    if let Some(list) = list {
        return Some(format!("write {key} = [{}]", list.join(", ")));
    }
    let table: Option<Vec<String>> = below.iter().map(entry).collect();
    Some(format!("write {key} = {{ {} }}", table?.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn lists_and_tables_are_written_in_one_line() {
        assert_eq!(meant("a", &["  - GET", "  - 5"]).as_deref(), Some("write a = [\"GET\", 5]"));
        assert_eq!(meant("a", &["  b: 10s", "  c: true"]).as_deref(), Some("write a = { b = \"10s\", c = true }"));
        assert_eq!(meant("a", &[]), None);
        assert_eq!(meant("a", &["  - b: 1"]), None);
    }
}
