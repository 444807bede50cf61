//! By what a strategy of `[[service.NAME.recover]]` acts: a command, a systemd unit or a webhook.

use std::os::unix::fs::PermissionsExt as _;

use super::Checker;
use crate::config::model::{Authorities, Means, NotifySecret};
use crate::config::raw::Recover;
use crate::config::syntax::{self, recovery::unit};
use crate::config::tree::KeyPath;

/// What signs the calls of a strategy, and what verifies whom it calls.
type Receiver = (Option<NotifySecret>, Authorities);

/// The means of a strategy, in the order of their names in `StrategyMeans`.
pub(super) type Checked = (Option<Means>, Option<Means>, Option<Means>);

impl Checker<'_> {
    /// The means to act, to undo and to take an instance away. `None` = something is wrong, and has been reported.
    pub(super) fn means(&mut self, at: &KeyPath, raw: &Recover) -> Option<Checked> {
        self.one_means(at, &["run", "systemd", "webhook"], true);
        self.one_means(at, &["down", "down_webhook"], false);
        self.unused(at, &["secret_file", "ca"], &["webhook", "down_webhook"]);
        self.unused(at, &["environment"], &["run", "undo", "down"]);
        let calls = raw.webhook.is_some() || raw.down_webhook.is_some();
        let receiver = calls.then(|| self.receiver(at, raw.secret_file.as_deref(), raw.ca.as_deref()));
        let receiver = receiver.flatten();
        let run = self.command(&at.key("run"), raw, raw.run.as_deref());
        let undo = self.command(&at.key("undo"), raw, raw.undo.as_deref());
        let down = self.command(&at.key("down"), raw, raw.down.as_deref());
        let act = run.or_else(|| restarted(raw)).or_else(|| called(raw, raw.webhook.as_deref(), receiver.as_ref()));
        let down = down.or_else(|| called(raw, raw.down_webhook.as_deref(), receiver.as_ref()));
        // what the file says and what is not here now has been reported
        let whole = (raw.undo.is_some() == undo.is_some())
            && ((raw.down.is_some() || raw.down_webhook.is_some()) == down.is_some());
        (whole && act.is_some()).then_some((act, undo, down))
    }

    /// Reports when several of these keys are there, or none that has to be.
    fn one_means(&mut self, at: &KeyPath, keys: &[&str], required: bool) {
        let given: Vec<&str> = keys.iter().copied().filter(|key| self.present(&at.key(key))).collect();
        let mistake = match given[..] {
            [] if required => self.mistake(at, "`run`, `systemd` or `webhook` is missing"),
            [] | [_] => return,
            [first, second, ..] => self.key_mistake(&at.key(second), format!("`{second}` beside `{first}`")),
        };
        self.report(mistake.expected(format!("one of {}", keys.join(", "))));
    }

    /// Warns of keys that none of `with` is there for.
    fn unused(&mut self, at: &KeyPath, keys: &[&str], with: &[&str]) {
        if with.iter().any(|key| self.present(&at.key(key))) {
            return;
        }
        for key in keys.iter().filter(|key| self.present(&at.key(key))).copied().collect::<Vec<_>>() {
            let mistake = self.key_mistake(&at.key(key), format!("`{key}` has no effect"));
            self.report(mistake.warning().help(format!("it is for {}", with.join(", "))));
        }
    }

    /// A program and its arguments.
    fn command(&mut self, at: &KeyPath, raw: &Recover, argv: Option<&[String]>) -> Option<Means> {
        let expected = "a program and its arguments, such as [\"systemctl\", \"restart\", \"api\"]";
        let (program, arguments) = match argv?.split_first() {
            Some((program, arguments)) if !program.is_empty() => (program, arguments),
            _ => {
                let mistake = self.mistake(at, "no program is named");
                self.report(mistake.expected(expected));
                return None;
            }
        };
        let is_path = program.contains('/');
        if !is_path && program.contains(char::is_whitespace) {
            let words: Vec<String> = program.split_whitespace().map(|word| format!("{word:?}")).collect();
            let mistake = self.mistake(&at.index(0), format!("`{program}` can't be the name of a program"));
            let near = Some(format!("[{}]", words.join(", "))).filter(|_| arguments.is_empty());
            self.report(mistake.expected(expected).near(near).help("no shell takes it apart"));
            return None;
        }
        let program = if is_path { self.program(&at.index(0), program) } else { program.clone() };
        Some(Means::Command {
            argv: std::iter::once(program).chain(arguments.iter().cloned()).collect(),
            time_out: raw.time_out.0,
            environment: raw.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    }

    /// The absolute path of a program: commands run in another folder. Warns of one that can't be run now; it may come before it is needed.
    fn program(&mut self, at: &KeyPath, name: &str) -> String {
        let file = self.file(name);
        let file = std::path::absolute(&file).unwrap_or(file);
        let wrong = match std::fs::metadata(&file) {
            _ if name.contains("${") => None,
            Err(error) => Some(format!("`{}` can't be run: {error}", file.display())),
            Ok(found) if !found.is_file() => Some(format!("`{}` is not a program", file.display())),
            Ok(found) if found.permissions().mode() & 0o111 == 0 => {
                Some(format!("`{}` may not be executed", file.display()))
            }
            Ok(_) => None,
        };
        if let Some(wrong) = wrong {
            let mistake = self.mistake(at, wrong);
            self.report(mistake.warning().help("it is looked for again when it is needed"));
        }
        file.to_string_lossy().into_owned()
    }
}

fn restarted(raw: &Recover) -> Option<Means> {
    Some(Means::Unit { name: unit(raw.systemd.as_deref()?).ok()?, time_out: raw.time_out.0 })
}

fn called(raw: &Recover, url: Option<&str>, receiver: Option<&Receiver>) -> Option<Means> {
    let (secret, ca) = receiver?.clone();
    Some(Means::Webhook { uri: syntax::webhook(url?).ok()?, time_out: raw.time_out.0, secret, ca })
}
