//! The names of a server, as hosts of routes.

use super::parse::Directive;
use super::world::World;

/// The names of each server as routes can have them; what they can't have is told. `refuses`: the server refuses somebody.
pub fn hosts(world: &mut World<'_>, server: &Directive, refuses: bool) -> Vec<String> {
    let mut hosts = Vec::new();
    for directive in server.inner().iter().filter(|directive| directive.name == "server_name") {
        for name in &directive.args {
            let found = match name.as_str() {
                "_" | "\"\"" | "" => Some(Vec::new()),
                name if name.starts_with('~') => expanded(&name[1..]),
                name => plain(name),
            };
            match found {
                Some(found) => hosts.extend(found),
                None => {
                    let why = format!(
                        "no route can have the host `{name}`; its requests go to the default server of the address"
                    );
                    let advice = "write the names out: a host is a name, or `*.` with a name behind it";
                    if refuses {
                        let why = format!("{why}, which does not ask what this one asks of clients");
                        world.findings().error(&directive.place, directive.text(), why, advice);
                    } else {
                        world.findings().warning(&directive.place, directive.text(), why, advice);
                    }
                }
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    hosts
}

/// A name that is no regular expression.
fn plain(name: &str) -> Option<Vec<String>> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if let Some(domain) = name.strip_prefix('.') {
        return Some(vec![domain.to_owned(), format!("*.{domain}")]);
    }
    let below = name.strip_prefix("*.").unwrap_or(&name);
    (!below.contains('*') && !below.contains('$') && !below.is_empty()).then_some(vec![name])
}

/// The names that a regular expression stands for, where they can be counted: `^(www\.)?example\.com$`. One that begins with any text
/// and a dot is a wildcard: `^(.+)\.example\.com$`.
fn expanded(regex: &str) -> Option<Vec<String>> {
    let inner = regex.strip_prefix('^')?.strip_suffix('$')?;
    for any in [r"(.+)\.", r"(.*)\.", r".+\.", r".*\."] {
        if let Some(domain) = inner.strip_prefix(any) {
            return of_parts(domain)?
                .into_iter()
                .map(|domain| plain(&format!("*.{domain}")))
                .collect::<Option<Vec<_>>>()
                .map(|all| all.concat());
        }
    }
    if let Some((_, domain)) = inner.strip_prefix("(?<").and_then(|named| named.split_once(r">.+)\.")) {
        return of_parts(domain)?
            .into_iter()
            .map(|domain| plain(&format!("*.{domain}")))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.concat());
    }
    let names = of_parts(inner)?;
    names.iter().map(|name| plain(name)).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

/// All texts that a regular expression of letters, escaped dots, groups of alternatives and `?` stands for; up to 64.
pub fn of_parts(regex: &str) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    let mut rest = regex;
    while let Some(first) = rest.chars().next() {
        let (choices, after): (Vec<String>, &str) = match first {
            '\\' => {
                let escaped = rest[1..].chars().next().filter(|c| !c.is_ascii_alphanumeric())?;
                (vec![escaped.to_string()], &rest[1 + escaped.len_utf8()..])
            }
            '(' => {
                let end = rest.find(')')?;
                let inner = rest[1..end].trim_start_matches("?:");
                if inner.contains('(') {
                    return None;
                }
                let all: Option<Vec<_>> = inner.split('|').map(of_parts).collect();
                (all?.concat(), &rest[end + 1..])
            }
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/') => (vec![c.to_string()], &rest[1..]),
            _ => return None,
        };
        let (choices, after) = match after.strip_prefix('?') {
            Some(after) => (choices.into_iter().chain([String::new()]).collect(), after),
            None => (choices, after),
        };
        if after.starts_with(['*', '+', '{']) || texts.len() * choices.len() > 64 {
            return None;
        }
        texts = texts.iter().flat_map(|text| choices.iter().map(move |choice| format!("{text}{choice}"))).collect();
        rest = after;
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_that_stand_for_a_few_names_are_written_out() {
        assert_eq!(expanded(r"^(www\.)?example\.com$").unwrap(), ["www.example.com", "example.com"]);
        assert_eq!(expanded(r"^(a|b)\.example\.(com|net)$").unwrap().len(), 4);
        assert_eq!(expanded(r"^(?<sub>.+)\.example\.com$").unwrap(), ["*.example.com"]);
        assert_eq!(expanded(r"^.+\.example\.com$").unwrap(), ["*.example.com"]);
        assert_eq!(expanded(r"^www\d+\.example\.com$"), None);
        assert_eq!(expanded(r"www"), None);
        assert_eq!(expanded(r"^a.example\.com$"), None);
        assert_eq!(plain(".example.com").unwrap(), ["example.com", "*.example.com"]);
        assert_eq!(plain("mail.*"), None);
    }
}
