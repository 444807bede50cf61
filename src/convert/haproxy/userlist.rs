//! `userlist`: users with their passwords and groups, as the file of users that `auth.basic` reads.

use super::parse::{Line, Section};
use crate::convert::output::{Findings, Place};
use crate::convert::users::{self, User};

/// So many passwords that stand in clear are hashed at most, because each takes a tenth of a second.
const MOST_HASHED: usize = 64;

/// Those whom a condition lets in: `http_auth(LIST)`, `http_auth_group(LIST) GROUP...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The list.
    pub list: String,
    /// Groups, of which a user is in one; none: all users of the list.
    pub groups: Vec<String>,
}

/// A user, as its line has it.
#[derive(Debug)]
struct Entry {
    list: String,
    name: String,
    password: String,
    is_clear: bool,
    groups: Vec<String>,
    place: Place,
    /// Made once, because each bcrypt hash of a password differs, and one list would be as many files as there are routes.
    hash: Option<Result<String, &'static str>>,
}

/// All lists of users of a file.
#[derive(Debug, Default)]
pub struct Userlists {
    users: Vec<Entry>,
    /// Lists that are there, also those without users.
    names: Vec<String>,
    hashed: usize,
}

impl Userlists {
    /// Those of a file.
    pub fn read(sections: &[Section]) -> Self {
        let mut lists = Self::default();
        for section in sections.iter().filter(|section| section.kind == "userlist") {
            lists.names.push(section.name.clone());
            for line in section.all("user") {
                lists.users.push(entry(section, line));
            }
        }
        lists
    }

    /// Whether there is such a list.
    pub fn has(&self, list: &str) -> bool {
        self.names.iter().any(|name| name == list)
    }

    /// The lines of the file for all whom one of these lets in; empty where nobody can be taken over. Who can't be is told of.
    pub fn text(&mut self, wanted: &[Wanted], findings: &mut Findings) -> String {
        let mut found: Vec<usize> = Vec::new();
        for (at, user) in self.users.iter().enumerate().filter(|(_, user)| wanted.iter().any(|one| one.takes(user))) {
            match found.iter().map(|at| &self.users[*at]).find(|known| known.name == user.name) {
                None => found.push(at),
                Some(known) if known.password == user.password => {}
                Some(known) => {
                    let (name, line) = (&user.name, known.place.line);
                    let why = format!("`{name}` has two passwords, here and in line {line}: this one is not taken");
                    findings.warning(&user.place, "userlist", why, "give one of the two another name");
                }
            }
        }
        let mut lines = Vec::new();
        for at in found {
            let user = &mut self.users[at];
            let hash = user.hash.take().unwrap_or_else(|| hash(user, &mut self.hashed));
            match user.hash.insert(hash) {
                Ok(hash) => {
                    lines.push(User { name: user.name.clone(), hash: hash.clone(), place: user.place.clone() });
                }
                Err(why) => {
                    let why = format!("{why}: `{}` can't come in", user.name);
                    let advice = format!("`htpasswd -nB {}` asks for the password, and prints the line", user.name);
                    findings.warning(&user.place, "insecure-password", why, advice);
                }
            }
        }
        users::text(findings, &lines, "password")
    }
}

impl Wanted {
    fn takes(&self, user: &Entry) -> bool {
        user.list == self.list
            && (self.groups.is_empty() || user.groups.iter().any(|group| self.groups.contains(group)))
    }
}

/// `user ann password $2y$... groups admins,readers`, with the groups that name the user themselves.
fn entry(section: &Section, line: &Line) -> Entry {
    let name = line.word(1).to_owned();
    let clear = line.word(2) == "insecure-password";
    let listed = |text: Option<&str>| -> Vec<String> {
        text.unwrap_or_default().split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect()
    };
    // a password may be any word, also `groups`
    let mut groups = if line.word(4) == "groups" { listed(Some(line.word(5))) } else { Vec::new() };
    for group in section.all("group") {
        if listed(group.after("users")).contains(&name) {
            groups.push(group.word(1).to_owned());
        }
    }
    let password = if clear || line.word(2) == "password" { line.word(3) } else { "" };
    Entry {
        list: section.name.clone(),
        name,
        password: password.to_owned(),
        is_clear: clear,
        groups,
        place: line.place.clone(),
        hash: None,
    }
}

/// The hash of a user's password: as it stands there, or made of one that stands there in clear.
fn hash(user: &Entry, hashed: &mut usize) -> Result<String, &'static str> {
    if !user.is_clear {
        return Ok(user.password.clone());
    }
    if user.password.is_empty() {
        return Err("the password is empty");
    }
    *hashed += 1;
    if *hashed > MOST_HASHED {
        return Err("there are too many passwords to make hashes of");
    }
    users::hashed(&user.password).ok_or("the password is too long for bcrypt")
}
