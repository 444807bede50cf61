//! Lines that ask for a password: `http-request auth unless { http_auth(LIST) }`, and `deny` with such a condition.
//!
//! What can't be carried over is an error, and its routes are closed: nobody comes in without the password that the original asks for.

use super::act::{Act, Rule};
use super::changes::Changes;
use super::condition::{Ask, Term};
use super::parse::Section;
use super::userlist::{Userlists, Wanted};
use crate::convert::output::{Findings, Table, literal};
use crate::convert::users::{self, TO_DO};

/// The users of a file, and the files that they come into.
pub struct Passwords<'a> {
    /// Users.
    pub users: &'a mut Userlists,
    /// Files that belong beside the result.
    pub files: &'a mut Vec<(String, String)>,
}

impl Passwords<'_> {
    /// Asks for a password all whom the rule is about and who come behind it. `true`: the rule has been applied.
    pub fn ask(
        &mut self,
        section: &Section,
        rule: &Rule,
        terms: &[&Term],
        change: &mut Changes,
        findings: &mut Findings,
    ) -> bool {
        let (place, what) = (&rule.line.place, rule.line.text());
        let asked = self.auth(section, rule, terms, change.auth.as_ref(), findings);
        match asked {
            Ok(auth) => {
                change.auth = Some(auth);
                if change.some_are_in() {
                    let why = "who was let in by address before this line needs the password, too";
                    findings.warning(place, &what, why, "a listener of their own for these clients");
                }
                if matches!(rule.act, Act::Refuse(_)) {
                    findings.note(place, what, "who has not said a password is asked for it (401), not refused", "");
                }
            }
            Err(why) => {
                findings.error(place, what, format!("{why}: nobody comes in"), TO_DO);
                change.closed = Some(place.clone());
            }
        }
        true
    }

    /// `auth` of a route, or why there is none.
    fn auth(
        &mut self,
        section: &Section,
        rule: &Rule,
        terms: &[&Term],
        before: Option<&(String, Table)>,
        findings: &mut Findings,
    ) -> Result<(String, Table), String> {
        if section.is_tcp() {
            return Err("sessions have no passwords".to_owned());
        }
        let lists = wanted(terms).ok_or("a route asks for a password by `unless { http_auth(LIST) }` alone")?;
        if let Some(missing) = lists.iter().find(|wanted| !self.users.has(&wanted.list)) {
            return Err(format!("there is no `userlist {}`", missing.list));
        }
        let mut text = self.users.text(&lists, findings);
        if text.is_empty() {
            return Err("none of its users can be taken over, whose hashes have to be bcrypt or argon2".to_owned());
        }
        // who comes in by two such lines is in the lists of both
        if let Some((known, auth)) = before {
            let both = text.lines().filter(|line| known.lines().any(|other| other == *line));
            let both: String = both.flat_map(|line| [line, "\n"]).collect();
            if both == *known {
                return Ok((both, auth.clone()));
            }
            if both.is_empty() {
                return Err("two passwords are asked for, which no user has both of".to_owned());
            }
            text = both;
        }
        let mut names: Vec<&str> = Vec::new();
        for wanted in &lists {
            for name in [&wanted.list].into_iter().chain(&wanted.groups) {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
        }
        let place = &rule.line.place;
        let file = users::file_name(self.files, &names.join("-"), &text);
        let why = format!("the users stand in the file `{file}`, which belongs beside this one");
        findings.note(place, rule.line.text(), why, "");
        let mut auth = Table::default();
        auth.put(&["auth", "basic", "file"], literal(&file), place);
        if rule.line.is(&["http-request", "auth", "realm"]) {
            auth.put(&["auth", "basic", "realm"], literal(rule.line.word(3)), place);
        }
        // HAProxy passes the field on
        auth.put(&["auth", "basic", "forward_authorization"], true, place);
        Ok((text, auth))
    }
}

/// Who is let in, where a line is about those who have none of these passwords; `None`: it is about somebody else as well.
fn wanted(terms: &[&Term]) -> Option<Vec<Wanted>> {
    let mut lists: Vec<Wanted> = Vec::new();
    for term in terms {
        let Term { ask: Ask::Password(wanted), holds: false } = term else { return None };
        lists.extend(wanted.iter().filter(|one| !lists.contains(one)).cloned().collect::<Vec<_>>());
    }
    (!lists.is_empty()).then_some(lists)
}

#[cfg(test)]
mod tests {
    use crate::convert::original::Original;
    use crate::convert::output::Output;

    /// A bcrypt hash of "secret".
    const HASH: &str = "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie";

    fn converted(lists: &str, rules: &str, mode: &str) -> (Output, String) {
        let text = format!(
            "defaults\n mode {mode}\n{lists}\nfrontend web\n bind :8080\n{rules}\n default_backend app\nbackend app\n server a 127.0.0.1:9001\n"
        );
        let files = |_: &str| Err(String::new());
        let out = crate::convert::haproxy::convert(&Original { file: "haproxy.cfg", text: &text, files: &files });
        let text = out.render();
        (out, text)
    }

    /// The names in the only file of users.
    fn users(out: &Output) -> Vec<&str> {
        let [(_, text)] = out.files.as_slice() else { panic!("{:?}", out.files) };
        text.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect()
    }

    #[test]
    fn who_has_a_hash_of_bcrypt_comes_in() {
        let lists =
            format!("userlist staff\n group admins users ann\n user ann password {HASH}\n user ben password {HASH}");
        let (out, text) = converted(&lists, " http-request auth realm x unless { http_auth(staff) }", "http");
        assert_eq!(users(&out), ["ann", "ben"], "{text}");
        assert!(text.contains("file = \"users-staff\", realm = \"x\", forward_authorization = true"), "{text}");
        assert!(!out.findings.any_error() && !text.contains("deny"), "{text}");
        let (out, _) = converted(&lists, " http-request deny unless { http_auth_group(staff) admins }", "http");
        assert_eq!(users(&out), ["ann"]);
        // who has to be in two lists has to be in both
        let both = " http-request auth unless { http_auth(staff) }\n http-request auth if { path_beg /a } !{ http_auth_group(staff) admins }";
        let (out, text) = converted(&lists, both, "http");
        assert!(!out.findings.any_error() && out.files.len() == 2, "{text}");
        let admin = text.split("[[listener.route]]").find(|part| part.contains("/a")).unwrap();
        assert!(admin.contains("users-staff-admins"), "{text}");
    }

    #[test]
    fn a_password_in_clear_becomes_a_hash_of_it() {
        let lists = "userlist a\n user ann insecure-password a:b\n user cid password $6$x$y\nuserlist b\n user ben insecure-password c";
        let (out, text) =
            converted(lists, " acl ok http_auth(a)\n acl ok http_auth(b)\n http-request auth if !ok", "http");
        assert_eq!(users(&out), ["ann", "ben"], "{text}");
        let (_, hash) = out.files[0].1.lines().next().unwrap().split_once(':').unwrap();
        assert!(bcrypt::verify("a:b", hash).unwrap() && !text.contains("a:b") && !out.files[0].1.contains("a:b"));
        assert!(out.findings.list().contains("`cid` can't come in"), "{}", out.findings.list());
        assert!(!out.findings.any_error(), "{text}");
    }

    #[test]
    fn what_asks_for_a_password_and_cannot_be_carried_over_is_closed() {
        let lists = format!(
            "userlist staff\n user ann password {HASH}\nuserlist other\n user ben password {HASH}\nuserlist old\n user cid password $6$x$y\n\
             userlist odd\n user #x password {HASH}\n user y password"
        );
        for (rules, mode) in [
            (" http-request auth", "http"),
            (" http-request auth unless { http_auth(old) }", "http"),
            (" http-request auth unless { http_auth(odd) }", "http"),
            (" http-request auth unless { http_auth(missing) }", "http"),
            (" http-request auth unless { http_auth_group(staff) nobody }", "http"),
            (" http-request auth unless { http_auth_group(staff) }", "http"),
            (" http-request auth if { http_auth(staff) }", "http"),
            (" http-request deny if { http_auth(staff) }", "http"),
            (" http-request auth if !{ http_auth(staff) } !{ src 10.0.0.0/8 }", "http"),
            (" http-request deny if !{ http_auth(staff) } !{ src 10.0.0.0/8 }", "http"),
            (" http-request auth unless { http_auth(staff) }\n http-request auth unless { http_auth(other) }", "http"),
            (" http-request auth unless { http_auth(staff) }", "tcp"),
        ] {
            let (out, text) = converted(&lists, rules, mode);
            assert!(out.findings.any_error(), "{rules}: {text}");
            assert!(text.contains("deny = [\"0.0.0.0/0\", \"::/0\"]"), "{rules}: {text}");
        }
    }

    #[test]
    fn one_list_is_one_file_wherever_it_is_asked_for() {
        let lists = "userlist a\n user ann insecure-password x";
        let rules = " bind :8081\n http-request auth if { path_beg /a } !{ http_auth(a) }\n http-request auth if { path_beg /b } !{ http_auth(a) }";
        let (out, text) = converted(lists, rules, "http");
        assert_eq!(users(&out), ["ann"], "{text}");
        assert_eq!(text.matches("file = \"users-a\"").count(), 4, "{text}");
    }
}
