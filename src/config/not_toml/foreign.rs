//! Files in the language of something else: of them, one thing is to be said, and not one for each line.

/// What the file probably is, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) what: &'static str,
    pub(super) help: &'static str,
}

const TOML: &str = "the configuration is TOML: sections have headers such as [server] and [[listener]], and keys are written `key = value`";
const CONVERT: &str = "`evenkeel convert FILE` writes one of ours from it";

/// So many lines of a kind are no accident.
const FEW: usize = 3;

/// Whether a text is not TOML at all.
pub(super) fn whole(text: &str) -> Option<Foreign> {
    let lines = || {
        let lines = text.trim_start_matches('\u{feff}').lines();
        lines.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    };
    let count = |is_kind: fn(&str) -> bool| lines().filter(|line| is_kind(line)).count();
    let toml = count(is_toml);
    let first = lines().next().unwrap_or_default().trim();
    let is = |what, help| Some(Foreign { what, help });
    if first.starts_with('{') || first == "[" {
        return is("JSON", TOML);
    }
    if text.contains('\r') && !text.contains('\n') {
        return is("text with ends of lines of an old system", "save it with those of Unix (LF)");
    }
    let blocks = count(is_block);
    if toml == 0 && blocks > 1 {
        return is(
            if count(is_directive) > 0 { "a configuration of nginx" } else { "a configuration of Caddy" },
            CONVERT,
        );
    }
    if toml == 0 && count(is_haproxy) > 0 {
        return is("a configuration of HAProxy", CONVERT);
    }
    if count(is_yaml) >= FEW && count(is_yaml) > FEW * toml {
        return is("YAML", TOML);
    }
    None
}

fn is_toml(line: &str) -> bool {
    let code = line.trim();
    let is_assignment = code.split_once('=').is_some_and(|(key, _)| {
        !key.trim().is_empty()
            && key.trim().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.\"".contains(&byte))
    });
    is_assignment || (code.starts_with('[') && code.contains(']'))
}

/// A block in braces begins or ends.
fn is_block(line: &str) -> bool {
    let code = line.trim();
    code == "}" || (code.ends_with('{') && !code.contains('=')) || is_directive(line)
}

fn is_directive(line: &str) -> bool {
    line.trim().ends_with(';') && !line.contains('=')
}

fn is_haproxy(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let is_section = matches!(words.next(), Some("global" | "defaults" | "frontend" | "backend" | "listen"));
    is_section && !line.starts_with(' ') && words.count() <= 1 && !line.contains([':', '=', '[', '{'])
}

fn is_yaml(line: &str) -> bool {
    let code = line.trim();
    let entry = code.strip_prefix("- ").unwrap_or(code);
    let is_key = entry.split_once(':').is_some_and(|(key, value)| {
        (value.is_empty() || value.starts_with(' '))
            && !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-\"".contains(&byte))
    });
    (is_key || code.starts_with("- ")) && !code.contains('=')
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn other_languages_are_known() {
        let what = |text: &str| whole(text).map(|foreign| foreign.what);
        assert_eq!(what("# x\n{\n \"a\": 1\n}\n"), Some("JSON"));
        assert_eq!(what("listener:\n  - name: web\n    bind: a\n"), Some("YAML"));
        assert_eq!(what("http {\n  server {\n    listen 80;\n  }\n}\n"), Some("a configuration of nginx"));
        assert_eq!(what("a.example {\n  reverse_proxy b\n}\nb.example {\n}\n"), Some("a configuration of Caddy"));
        assert_eq!(what("global\n  maxconn 5\nfrontend web\n  bind *:80\n"), Some("a configuration of HAProxy"));
        assert_eq!(what("a: 1\nb: 2\n[c]\nd = 1\n"), None);
        assert_eq!(what("[server]\nworkers = 2\nserver {\n}\n"), None);
        assert_eq!(what("a.example {\n  reverse_proxy b\n}\n"), Some("a configuration of Caddy"));
        assert_eq!(what(""), None);
    }
}
