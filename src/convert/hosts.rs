//! Regular expressions of host names, as names and `*.example.com`, which is all that routes know.

use super::decision::Host;

/// More names than that are not written out.
const MOST: usize = 64;

/// Bytes of an expression, at most.
const LONGEST: usize = 1024;

/// Groups of an expression, at most.
const DEEPEST: usize = 32;

/// A piece of an expression.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    /// Anything; `whole`: really anything, and not only some characters.
    Wild {
        whole: bool,
    },
    /// One of these sequences.
    Choice(Vec<Vec<Piece>>),
}

/// The hosts that an expression matches, and whether it is exactly these and no fewer. `None` = they can't be said.
pub fn of_regex(regex: &str) -> Option<(Vec<Host>, bool)> {
    if matches!(regex, ".*" | ".+" | "^.*$" | "^.+$" | "^.*" | "^.+" | "") {
        return Some((vec![Host::Any], true));
    }
    let regex = regex.strip_prefix("(?i)").unwrap_or(regex);
    let body = regex.strip_prefix('^')?.strip_suffix('$')?;
    if body.len() > LONGEST || body.matches('(').count() > DEEPEST {
        return None;
    }
    let mut chars: Vec<char> = body.chars().rev().collect();
    let choices = sequence(&mut chars, false)?;
    let mut exact = true;
    let mut hosts = Vec::new();
    for choice in choices {
        for names in spelled(&choice)? {
            let host = match &names[..] {
                [Piece::Text(name)] => Host::Exact(name.to_ascii_lowercase()),
                [Piece::Wild { whole }, Piece::Text(rest)] if rest.starts_with('.') && rest.len() > 1 => {
                    exact &= whole;
                    Host::Below(rest[1..].to_ascii_lowercase())
                }
                [Piece::Wild { whole: true }] => Host::Any,
                _ => return None,
            };
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    Some((hosts, exact)).filter(|(hosts, _)| !hosts.is_empty())
}

/// Sequences between `|`, up to the end or the closing parenthesis. `chars` is turned round.
fn sequence(chars: &mut Vec<char>, inside: bool) -> Option<Vec<Vec<Piece>>> {
    let mut all = vec![Vec::new()];
    loop {
        let Some(c) = chars.pop() else { return (!inside).then_some(all) };
        let piece = match c {
            ')' if inside => return Some(all),
            '|' => {
                all.push(Vec::new());
                continue;
            }
            '(' => {
                let text: String = chars.iter().rev().collect();
                if text.starts_with("?:") {
                    chars.truncate(chars.len() - 2);
                } else if text.starts_with("?P<") || text.starts_with("?<") {
                    chars.truncate(chars.len() - text.chars().position(|c| c == '>')? - 1);
                } else if text.starts_with('?') {
                    return None;
                }
                Piece::Choice(sequence(chars, true)?)
            }
            '[' => {
                let mut set = String::new();
                while let Some(c) = chars.pop().filter(|c| *c != ']') {
                    set.push(c);
                }
                repeated(chars)?;
                all.last_mut()?.push(Piece::Wild { whole: false });
                let _ = set;
                continue;
            }
            '.' => {
                let whole = repeated(chars)?;
                all.last_mut()?.push(Piece::Wild { whole });
                continue;
            }
            '\\' => match chars.pop()? {
                c if !c.is_ascii_alphanumeric() => Piece::Text(c.to_string()),
                'w' | 'd' => {
                    repeated(chars)?;
                    all.last_mut()?.push(Piece::Wild { whole: false });
                    continue;
                }
                _ => return None,
            },
            c if c.is_ascii_alphanumeric() || c == '-' || c == '_' => Piece::Text(c.to_string()),
            _ => return None,
        };
        let piece = match chars.last() {
            Some('?') => {
                chars.pop();
                Piece::Choice(vec![vec![piece], Vec::new()])
            }
            Some('*' | '+' | '{') => return None,
            _ => piece,
        };
        all.last_mut()?.push(piece);
    }
}

/// Takes the sign behind a class of characters; whether it stands for one or more. `None` = it is something else than many.
fn repeated(chars: &mut Vec<char>) -> Option<bool> {
    match chars.pop()? {
        '+' => Some(true),
        '*' => Some(false),
        '{' => {
            while chars.pop()? != '}' {}
            Some(false)
        }
        _ => None,
    }
}

/// Every way to read a sequence, with texts that stand beside each other as one.
fn spelled(pieces: &[Piece]) -> Option<Vec<Vec<Piece>>> {
    let mut all: Vec<Vec<Piece>> = vec![Vec::new()];
    for piece in pieces {
        let ways = match piece {
            Piece::Choice(choices) => {
                let mut ways = Vec::new();
                for choice in choices {
                    ways.extend(spelled(choice)?);
                }
                ways
            }
            plain => vec![vec![plain.clone()]],
        };
        all = all.iter().flat_map(|before| ways.iter().map(|way| joined(before, way))).collect();
        if all.len() > MOST {
            return None;
        }
    }
    Some(all)
}

fn joined(before: &[Piece], behind: &[Piece]) -> Vec<Piece> {
    let mut all = before.to_vec();
    for piece in behind {
        match (all.last_mut(), piece) {
            (Some(Piece::Text(text)), Piece::Text(more)) => text.push_str(more),
            _ => all.push(piece.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(regex: &str) -> Option<String> {
        let (hosts, exact) = of_regex(regex)?;
        let names = hosts.iter().map(|host| match host {
            Host::Any => "any".to_owned(),
            Host::Exact(name) => name.clone(),
            Host::Below(name) => format!("*.{name}"),
        });
        let names = names.collect::<Vec<_>>().join(" ");
        Some(if exact { names } else { format!("{names} and fewer") })
    }

    #[test]
    fn expressions_become_names() {
        assert_eq!(told(r"^.+\.example\.com$").as_deref(), Some("*.example.com"));
        assert_eq!(told(r"^[a-z0-9-]+\.example\.com$").as_deref(), Some("*.example.com and fewer"));
        assert_eq!(told(r"^(www|api)\.example\.com$").as_deref(), Some("www.example.com api.example.com"));
        assert_eq!(told(r"^(?:www\.)?example\.com$").as_deref(), Some("www.example.com example.com"));
        assert_eq!(told(r"^(.+\.)?example\.com$").as_deref(), Some("*.example.com example.com"));
        assert_eq!(told(r"^a\.com|b\.com$").as_deref(), Some("a.com b.com"));
        assert_eq!(told(r"^.*$").as_deref(), Some("any"));
    }

    #[test]
    fn what_names_cannot_say_is_not_said() {
        for regex in [r"example\.com", r"^a.*\.example\.com$", r"^x{2}\.com$", r"^\d\.com$", r"^a.b$", "^(?=a)$"] {
            assert_eq!(told(regex), None, "{regex}");
        }
    }
}
